"""Settings of queues, streams, groups and topics: a table of defaults and rules, and what checks a request against it.

``null`` puts a setting back to its default, but where it is a value of its own; a setting that is not named stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from brokerweb.core.errors import MAX_STEP, Invalid, escape_pointer

Errors = list[dict[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One setting: what it may be, and what it is by default. Checks, columns and documents are made from this."""

    column: str
    type: Any  # float, int, bool, str, or list[str]
    default: Any
    rule: str = ""  # what it may be, in words
    low: float = 0
    high: float = 0
    words: tuple[str, ...] = ()  # those a text may be
    parse: Callable[[Any], Any] | None = None  # of a text that may be more than one of some words
    null_is_a_value: bool = False  # where null says "no limit", it cannot say "the default" as well
    planned: str = ""  # said of any value but the default, which is the only one until the rest of it is built

    def check(self, value: Any) -> Any:
        """The value as it is kept. Raises ValueError, which has nothing to say where the rule says it."""
        if self.parse is not None:
            return self.parse(value)
        if self.planned:
            if isinstance(value, bool) or value != self.default:
                raise ValueError(self.planned)
            return self.default
        good = isinstance(value, (int, float) if self.type is float else self.type)
        if self.type is not bool and isinstance(value, bool):
            good = False
        if not good or (self.words and value not in self.words):
            raise ValueError
        if self.type in (float, int) and not self.low <= value <= self.high:
            raise ValueError
        return self.type(value)


NAMED = 3  # errors in an answer's own text
UNBOUNDED = 2**53  # the largest integer that readers of JSON keep as it is


def number(column: str, low: float, high: float, *, of: str = "", **more: Any) -> Setting:
    """A finite number in a range; booleans are none. ``of`` is its unit."""
    rule = f"a number{' of ' + of if of else ''} from {low} to {high}"
    return Setting(column=column, type=float, low=low, high=high, rule=rule, **more)


def seconds(column: str, low: float, high: float, **more: Any) -> Setting:
    """A duration."""
    return number(column, low, high, of="seconds", **more)


def integer(column: str, low: int, high: int = UNBOUNDED, **more: Any) -> Setting:
    """An integer in a range; ``true``, ``"4"`` and ``4.0`` are none."""
    rule = f"an integer of {low} or more" if high == UNBOUNDED else f"an integer from {low} to {high}"
    return Setting(column=column, type=int, low=low, high=high, rule=rule, **more)


def boolean(column: str) -> Setting:
    """True or false, which is the default."""
    return Setting(column=column, type=bool, default=False, rule="true or false")


def one_of(column: str, *words: str) -> Setting:
    """One of some words, the first by default."""
    return Setting(column=column, type=str, default=words[0], words=words, rule=" or ".join(f'"{word}"' for word in words))


def only(column: str, value: Any, planned: str) -> Setting:
    """A setting that has one value until the rest of it is built."""
    return Setting(column=column, type=type(value), default=value, planned=planned)


def texts(column: str, parse: Callable[[Any], Any], rule: str) -> Setting:
    """A list of texts that ``parse`` checks; empty by default."""
    return Setting(column=column, type=list[str], default=[], parse=parse, rule=rule)


def table(*settings: Setting) -> dict[str, Setting]:
    """Settings that are called what their columns are, in their order."""
    return {setting.column: setting for setting in settings}


def check(given: Mapping[str, Any], table: Mapping[str, Setting], errors: Errors, at: str = "") -> dict[str, Any]:
    """The columns that ``given`` changes, with their new values; what is wrong with it is added to ``errors``."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        setting = table.get(name)
        pointer = f"{at}/{escape_pointer(name)}"
        if setting is None:
            errors.append(
                {"pointer": pointer, "detail": "is not a setting" + ("" if len(errors) >= NAMED else _meant(name, table))}
            )
        elif value is None:
            changes[setting.column] = None if setting.null_is_a_value else setting.default
        else:
            try:
                changes[setting.column] = setting.check(value)
            except ValueError as error:
                errors.append({"pointer": pointer, "detail": str(error) or f"must be {setting.rule}, or null"})
    return changes


def _meant(name: str, table: Mapping[str, Setting]) -> str:
    """Not looked for where there are many, or long ones: likeness is dear."""
    alike = get_close_matches(name, table, n=1) if len(name) <= MAX_STEP else []
    return f"; did you mean {alike[0]}?" if alike else ""


def refuse(errors: Errors) -> None:
    """Raise Invalid with every error there is, if there is one."""
    if errors:
        raise Invalid("; ".join(f"{e['pointer']} {e['detail']}" for e in errors[:NAMED]), errors=errors)


def plain(value: Any) -> Any:
    """A whole float as an integer, since 30 is shown as 30; anything else as it is."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value
