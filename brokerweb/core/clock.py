"""The one clock. Instants are integers: microseconds since 1970 in UTC.

A running broker reads the wall once, at start, and from then on follows a clock that does not jump, so that a step of
the wall neither ends leases nor lengthens them. Waits use ``time.monotonic`` directly; stored instants come from here.
"""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

SECOND = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Clock:
    """Wall time at start, then monotonic. ``offset`` is what to add to the monotonic clock, in microseconds."""

    def __init__(self, offset: int | None = None) -> None:
        self.offset = wall() - monotonic() if offset is None else offset

    def now(self) -> int:
        return time.monotonic_ns() // 1000 + self.offset

    def not_before(self, instant: int) -> None:
        """Make sure that ``now`` is at ``instant`` or later (the newest stored instant, at start)."""
        self.offset += max(0, instant - self.now())


_clock: Clock | None = None


def now() -> int:
    """The broker's time in this process: the running broker's clock, else the wall's."""
    return _clock.now() if _clock else wall()


def install(clock: Clock | None) -> None:
    """Make ``clock`` this process's clock; ``None`` goes back to the wall."""
    global _clock
    _clock = clock


def wall() -> int:
    return time.time_ns() // 1000


def monotonic() -> int:
    return time.monotonic_ns() // 1000


def seconds(duration: float) -> int:
    """A duration in seconds as microseconds."""
    return round(duration * SECOND)


def to_datetime(instant: int) -> datetime:
    return _EPOCH + timedelta(microseconds=instant)


def from_datetime(value: datetime) -> int:
    """An aware datetime as an instant. Raises ValueError for a naive one."""
    if value.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return (value - _EPOCH) // timedelta(microseconds=1)


def rfc3339(instant: int) -> str:
    """``2026-11-24T09:30:00.000000Z`` (RFC 3339, UTC, microseconds)."""
    return to_datetime(instant).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_rfc3339(text: str) -> int:
    """The instant a text names. Raises ValueError for anything that is not RFC 3339 with a zone, TypeError for no text."""
    if not _RFC3339.fullmatch(text):
        raise ValueError("not an RFC 3339 instant")
    return from_datetime(datetime.fromisoformat(text.upper()))
