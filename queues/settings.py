"""A queue's settings: one table of their defaults, ranges and units, and what checks a request against it.

Durations are seconds. ``max_failures`` null is no limit; any other ``null`` puts a setting back to its default; a setting
that is not named stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from brokerweb.core.settings import Errors, Setting, boolean, check, integer, number, one_of, only, plain, refuse

if TYPE_CHECKING:
    from brokerweb.queues.models import Queue

DAY = 86_400
LONGEST = 3_660 * DAY

SETTINGS: dict[str, Setting] = {
    "lease": Setting("lease", 30.0, "a number of seconds from 1 to 43200", number(1, 43_200)),
    "max_failures": Setting("max_failures", 10, "an integer from 1 to 1000000", integer(1, 1_000_000), null_is_a_value=True),
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


def to_dict(queue: Queue) -> dict[str, Any]:
    """The settings of a queue as answers show them."""
    backoff = {name: plain(getattr(queue, s.column)) for name, s in BACKOFF.items()}
    return {name: backoff if name == "backoff" else plain(getattr(queue, SETTINGS[name].column)) for name in ORDER}
