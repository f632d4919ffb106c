"""A queue's settings: one table of their defaults, ranges and units, and what checks a request against it.

Durations are seconds. ``null`` puts a setting back to its default; a setting that is not named stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from brokerweb.core.errors import Invalid

if TYPE_CHECKING:
    from queues.models import Queue

DAY = 86_400
LONGEST = 3_660 * DAY
Check = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting: its model column, default, rule in words, and the check that returns the value or raises ValueError."""

    column: str
    default: Any
    rule: str
    check: Check


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


SETTINGS: dict[str, Setting] = {
    "lease": Setting("lease", 30.0, "a number of seconds from 1 to 43200", number(1, 43_200)),
    "max_failures": Setting("max_failures", 10, "an integer from 1 to 1000000", integer(1, 1_000_000)),
    "keyed": Setting("keyed", False, "true or false", boolean),
    "ttl": Setting("ttl", None, "a number of seconds from 0.001 to 316224000", number(0.001, LONGEST)),
    "on_expire": Setting("on_expire", "drop", '"drop" or "dead"', one_of("drop", "dead")),
    "max_length": Setting("max_length", None, "an integer of 1 or more", integer(1, 2**53)),
    "overflow": Setting("overflow", "refuse", '"refuse" or "dead_letter_oldest"', one_of("refuse", "dead_letter_oldest")),
    "dedup_window": Setting("dedup_window", 300.0, "a number of seconds from 0 to 2592000", number(0, 30 * DAY)),
    "max_body_bytes": Setting("max_body_bytes", 1_048_576, "an integer from 1 to 5242880", integer(1, 5 * 1_048_576)),
    "history": Setting("history", "failures", '"failures"', only("failures", 'is "failures"; "full" is planned')),
    "keep_settled": Setting("keep_settled", 0.0, "0", only(0.0, "is 0; keeping settled messages is planned")),
    "expires": Setting("expires", None, "a number of seconds from 1 to 316224000", number(1, LONGEST)),
}

BACKOFF: dict[str, Setting] = {
    "initial": Setting("backoff_initial", 1.0, "a number of seconds from 0 to 31622400", number(0, 366 * DAY)),
    "factor": Setting("backoff_factor", 2.0, "a number from 1 to 1000", number(1, 1_000)),
    "max": Setting("backoff_max", 3600.0, "a number of seconds from 0 to 31622400", number(0, 366 * DAY)),
    "jitter": Setting("backoff_jitter", 0.15, "a number from 0 to 1", number(0, 1)),
}

# The order in which answers list them.
ORDER = ("lease", "max_failures", "backoff", *list(SETTINGS)[2:])


def validate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a request changes, with their new values. Raises Invalid with every error of it."""
    changes: dict[str, Any] = {}
    errors: list[dict[str, str]] = []
    named = dict(settings)
    backoff = named.pop("backoff", {})
    _check(named, SETTINGS, "", changes, errors)
    if backoff is None:
        backoff = dict.fromkeys(BACKOFF)
    if isinstance(backoff, Mapping):
        _check(backoff, BACKOFF, "/backoff", changes, errors)
    else:
        errors.append({"pointer": "/backoff", "detail": "must be an object or null"})
    if errors:
        raise Invalid("; ".join(f"{e['pointer']} {e['detail']}" for e in errors[:3]), errors=errors)
    return changes


def _check(
    given: Mapping[str, Any], table: dict[str, Setting], at: str, changes: dict[str, Any], errors: list[dict[str, str]]
) -> None:
    for name, value in given.items():
        setting = table.get(name)
        pointer = f"{at}/{_escaped(str(name))}"
        if setting is None:
            errors.append({"pointer": pointer, "detail": "is not a setting"})
        elif value is None:
            changes[setting.column] = setting.default
        else:
            try:
                changes[setting.column] = setting.check(value)
            except ValueError as error:
                errors.append({"pointer": pointer, "detail": str(error) or f"must be {setting.rule}, or null"})


def _escaped(name: str) -> str:
    return name[:100].replace("~", "~0").replace("/", "~1")


def to_dict(queue: Queue) -> dict[str, Any]:
    """The settings of a queue as answers show them."""
    backoff = {name: plain(getattr(queue, s.column)) for name, s in BACKOFF.items()}
    return {name: backoff if name == "backoff" else plain(getattr(queue, SETTINGS[name].column)) for name in ORDER}


def plain(value: Any) -> Any:
    """A whole float as an integer, since 30 is shown as 30; anything else as it is."""
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    return value
