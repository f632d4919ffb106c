"""A group's settings: their defaults and rules, and what checks a request against them.

``lease``, ``max_failures`` and ``backoff`` belong to shared groups, and are kept where their records are leased.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.core.settings import Errors, Setting, check, number, one_of, refuse
from brokerweb.streams.reading import parse_where

PARTITIONED, SHARED = "partitioned", "shared"
OF_SHARED = ("lease", "max_failures", "backoff")
SHORTEST, LONGEST = 1, 86_400  # seconds of silence after which a member counts as dead


def _start(value: Any) -> str:
    where = parse_where(value)
    try:
        return where if isinstance(where, str) else clock.rfc3339(where)
    except OverflowError:  # in UTC it lies beyond the year 9999
        raise ValueError from None


SETTINGS: dict[str, Setting] = {
    "kind": Setting("kind", PARTITIONED, '"partitioned" or "shared"', one_of(PARTITIONED, SHARED)),
    "session_timeout": Setting("session_timeout", 15.0, "a number of seconds from 1 to 86400", number(SHORTEST, LONGEST)),
    "start": Setting("start", "latest", '"latest", "earliest" or an RFC 3339 instant', _start),
}
DEFAULTS = {setting.column: setting.default for setting in SETTINGS.values()}


class Asked(NamedTuple):
    """What a request changes: columns of the group, and settings for where a shared group's records are leased."""

    columns: dict[str, Any]
    shared: dict[str, Any]


def validate(settings: Mapping[str, Any], kind: str | None) -> Asked:
    """The changes that a request asks of a group of that kind, or of a new one. Raises Invalid with every error of it."""
    errors: Errors = []
    shared = {name: value for name, value in settings.items() if name in OF_SHARED}
    columns = check({name: value for name, value in settings.items() if name not in OF_SHARED}, SETTINGS, errors)
    if (kind or columns.get("kind", PARTITIONED)) != SHARED:
        errors += [{"pointer": f"/{name}", "detail": "is a setting of shared groups"} for name in shared]
    refuse(errors)
    return Asked(columns, shared)
