"""A stream's settings: their defaults and ranges. Durations are seconds; ``null`` keeps for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core import declared_fields
from brokerweb.core.settings import Errors, boolean, check, integer, plain, refuse, seconds, table, texts

DAY = 86_400
LONGEST = 3_660 * DAY
PARTITIONS = "partitions"  # no column: rows of their own

SETTINGS = table(
    integer(PARTITIONS, 1, 1_000, default=1),
    seconds("retention_age", 1, LONGEST, default=None),
    integer("retention_bytes", 1, default=None),
    integer("retention_records", 1, default=None),
    boolean("compact"),
    seconds("dedup_window", 0, 30 * DAY, default=300.0),
    integer("max_body_bytes", 1, 5 * 1_048_576, default=1_048_576),
    texts("search", declared_fields.check, declared_fields.RULE),
)


def validate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a request changes, with their new values. Raises Invalid with every error of it."""
    errors: Errors = []
    changes = check(settings, SETTINGS, errors)
    refuse(errors)
    return changes


def to_dict(stream: object, partitions: int) -> dict[str, Any]:
    """The settings of a stream as answers show them."""
    return {PARTITIONS: partitions} | {n: plain(getattr(stream, s.column)) for n, s in SETTINGS.items() if n != PARTITIONS}
