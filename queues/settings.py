"""A queue's settings: one table of their defaults, ranges and units, and what checks a request against it.

Durations are seconds. ``max_failures`` null is no limit; any other ``null`` puts a setting back to its default; a setting
that is not named stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core import declared_fields
from brokerweb.core.settings import Errors, boolean, check, integer, number, one_of, only, plain, refuse, seconds, table, texts

DAY = 86_400
LONGEST = 3_660 * DAY

SETTINGS = table(
    seconds("lease", 1, 43_200, default=30.0),
    integer("max_failures", 1, 1_000_000, default=10, null_is_a_value=True),
    boolean("keyed"),
    seconds("ttl", 0.001, LONGEST, default=None),
    one_of("on_expire", "drop", "dead"),
    integer("max_length", 1, default=None),
    one_of("overflow", "refuse", "dead_letter_oldest"),
    seconds("dedup_window", 0, 30 * DAY, default=300.0),
    integer("max_body_bytes", 1, 5 * 1_048_576, default=1_048_576),
    only("history", "failures", 'is "failures"; "full" is planned'),
    only("keep_settled", 0.0, "is 0; keeping settled messages is planned"),
    seconds("expires", 1, LONGEST, default=None),
    seconds("dead_retention", 1, LONGEST, default=None),
    texts("search", declared_fields.check, declared_fields.RULE),
)

BACKOFF = {
    "initial": seconds("backoff_initial", 0, 366 * DAY, default=1.0),
    "factor": number("backoff_factor", 1, 1_000, default=2.0),
    "max": seconds("backoff_max", 0, 366 * DAY, default=3600.0),
    "jitter": number("backoff_jitter", 0, 1, default=0.15),
}

# The order in which answers list them.
ORDER = ("lease", "max_failures", "backoff", *list(SETTINGS)[2:])


def validate(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The columns that a request changes, with their new values. Raises Invalid with every error of it."""
    errors: Errors = []
    named = dict(settings)
    backoff = named.pop("backoff", {})
    changes = check(named, SETTINGS, errors)
    if backoff is None:
        backoff = dict.fromkeys(BACKOFF)
    if isinstance(backoff, Mapping):
        changes |= check(backoff, BACKOFF, errors, "/backoff")
    else:
        errors.append({"pointer": "/backoff", "detail": "must be an object or null"})
    refuse(errors)
    return changes


def to_dict(queue: object) -> dict[str, Any]:
    """The settings of a queue as answers show them."""
    backoff = {name: plain(getattr(queue, s.column)) for name, s in BACKOFF.items()}
    return {name: backoff if name == "backoff" else plain(getattr(queue, SETTINGS[name].column)) for name in ORDER}
