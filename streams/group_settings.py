"""A group's settings: their defaults and rules, and what checks a request against them.

``lease``, ``max_failures`` and ``backoff`` belong to shared groups, and are kept where their records are leased.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.core.settings import Errors, Setting, check, one_of, refuse, seconds, table
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


SETTINGS = table(
    one_of("kind", PARTITIONED, SHARED),
    seconds("session_timeout", SHORTEST, LONGEST, default=15.0),
    Setting(column="start", type=str, default="latest", rule='"latest", "earliest" or an RFC 3339 instant', parse=_start),
)
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
