"""A stream's settings: their defaults and ranges. Durations are seconds; ``null`` keeps for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brokerweb.core.settings import Errors, Setting, boolean, check, integer, number, plain, refuse

if TYPE_CHECKING:
    from brokerweb.streams.models import Stream

DAY = 86_400
LONGEST = 3_660 * DAY
MAX_PARTITIONS = 1_000
PARTITIONS = "partitions"  # no column: rows of their own

SETTINGS: dict[str, Setting] = {
    PARTITIONS: Setting(PARTITIONS, 1, f"an integer from 1 to {MAX_PARTITIONS}", integer(1, MAX_PARTITIONS)),
    "retention_age": Setting("retention_age", None, "a number of seconds from 1 to 316224000", number(1, LONGEST)),
    "retention_bytes": Setting("retention_bytes", None, "an integer of 1 or more", integer(1, 2**53)),
    "retention_records": Setting("retention_records", None, "an integer of 1 or more", integer(1, 2**53)),
    "compact": Setting("compact", False, "true or false", boolean),
    "dedup_window": Setting("dedup_window", 300.0, "a number of seconds from 0 to 2592000", number(0, 30 * DAY)),
    "max_body_bytes": Setting("max_body_bytes", 1_048_576, "an integer from 1 to 5242880", integer(1, 5 * 1_048_576)),
}


def validate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a request changes, with their new values. Raises Invalid with every error of it."""
    errors: Errors = []
    changes = check(settings, SETTINGS, errors)
    refuse(errors)
    return changes


def to_dict(stream: Stream, partitions: int) -> dict[str, Any]:
    """The settings of a stream as answers show them."""
    return {PARTITIONS: partitions} | {n: plain(getattr(stream, s.column)) for n, s in SETTINGS.items() if n != PARTITIONS}
