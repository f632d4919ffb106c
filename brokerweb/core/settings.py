"""Settings of queues, streams, groups and topics: a table of defaults and rules, and what checks a request against it.

``null`` puts a setting back to its default, but where it is a value of its own; a setting that is not named stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from brokerweb.core.errors import Invalid, escape_pointer

Check = Callable[[Any], Any]
Errors = list[dict[str, str]]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its model column, default, rule in words, and the check that returns the value or raises ValueError."""

    column: str
    default: Any
    rule: str
    check: Check
    null_is_a_value: bool = False  # where null says "no limit", it cannot say "the default" as well


def number(low: float, high: float) -> Check:
    """A check for finite numbers in a range; booleans are none."""

    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError
        return float(value)

    return check


def integer(low: int, high: int) -> Check:
    """A check for integers in a range; ``true``, ``"4"`` and ``4.0`` are none."""

    def check(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError
        return value

    return check


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError
    return value


def one_of(*choices: str) -> Check:
    """A check for one of some words."""

    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError
        return value

    return check


def only(value: Any, planned: str) -> Check:
    """A check for a setting that has one value until the rest of it is built."""

    def check(given: Any) -> Any:
        if isinstance(given, bool) or given != value:
            raise ValueError(planned)
        return value

    return check


def check(given: Mapping[str, Any], table: Mapping[str, Setting], errors: Errors, at: str = "") -> dict[str, Any]:
    """The columns that ``given`` changes, with their new values; what is wrong with it is added to ``errors``."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        setting = table.get(name)
        pointer = f"{at}/{escape_pointer(name)}"
        if setting is None:
            errors.append({"pointer": pointer, "detail": "is not a setting"})
        elif value is None:
            changes[setting.column] = None if setting.null_is_a_value else setting.default
        else:
            try:
                changes[setting.column] = setting.check(value)
            except ValueError as error:
                errors.append({"pointer": pointer, "detail": str(error) or f"must be {setting.rule}, or null"})
    return changes


def refuse(errors: Errors) -> None:
    """Raise Invalid with every error there is, if there is one."""
    if errors:
        raise Invalid("; ".join(f"{e['pointer']} {e['detail']}" for e in errors[:3]), errors=errors)


def plain(value: Any) -> Any:
    """A whole float as an integer, since 30 is shown as 30; anything else as it is."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value
