"""The two clocks. Instants are integers: microseconds since 1970 in UTC.

``now`` is the broker's clock: it goes on evenly whatever happens to the wall, over restarts too, and what lasts is of it:
leases, delays, backoffs, ttls, windows. ``wall`` is the machine's, by which people name instants, and may be set at any time.
A running broker knows how far the two are apart, and every step of that: an instant of its clock is named as the wall names
it (``to_wall``) where somebody reads it, and what people state is compared with the wall. docs/adr/0015 says of every stored
instant which clock it is of. Waits within the process use ``time.monotonic`` directly.
"""

from __future__ import annotations

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from brokerweb.core import machine

SECOND = 1_000_000
STEP = SECOND // 2  # the wall was set when it is off by this much; less is how exactly it can be read, and drift
SAID = SECOND  # steps from here on are spoken of
SETTLES = 3600 * SECOND  # how long the wall must stand before where it was set to counts as right
BELIEVED = 30 * 86_400 * SECOND  # the longest standstill that is taken from the wall's word alone
FAR = 86_400 * SECOND  # from here on that is spoken of: the wall may as well be wrong
AHEAD = 3600 * SECOND  # how far the wall must have been ahead for its stamps to be corrected
RELEASED = 1_795_000_000 * SECOND  # November 2026: a wall before that is certainly wrong
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,30})?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)


class Step(NamedTuple):
    """From ``since`` on, by the broker's clock, the wall is ahead of it by ``difference``; ``slept``: since the machine did."""

    since: int
    difference: int
    slept: bool = False


class Clock:
    """The broker's clock: the monotonic one and ``offset``. Beside it what is known of the wall: ``steps``, the oldest first.

    Safe to use from any thread.
    """

    def __init__(self, offset: int | None = None, steps: Iterable[Step] = ()) -> None:
        self.offset = wall() - monotonic() if offset is None else offset
        self.steps = list(steps) or [Step(0, 0)]
        self.difference = self.steps[-1].difference
        self.believed = Step(0, 0)  # the wall alone said that so much time had passed at a start
        self._slept = machine.slept()
        self._mutex = threading.Lock()

    @classmethod
    def resumed(cls, last: int, steps: Iterable[Step] = (), *, elapsed: int | None = None) -> Clock:
        """The clock of a broker that was last alive at ``last``, ``elapsed`` ago.

        Where the machine does not know how long that is, the wall says it: as it was last, or else before it was set. But not
        when that is less than nothing, or more than can be believed: then no time has passed, and the wall was set.
        """
        resumed = cls(last - monotonic(), steps)
        if elapsed is None:
            aways = (wall() - step.difference - last for step in reversed(resumed.steps))
            elapsed = next((away for away in aways if 0 <= away <= BELIEVED), 0)
            resumed.believed = Step(last + elapsed, elapsed if elapsed > FAR else 0)
        resumed.offset += elapsed
        resumed.follow()
        return resumed

    def now(self) -> int:
        return monotonic() + self.offset

    def not_before(self, instant: int) -> None:
        """Make sure that ``now`` is at ``instant`` or later: the newest that was stored, where nothing else is known."""
        self.offset += max(0, instant - self.now())
        self.follow()

    def instants(self) -> tuple[int, int]:
        """The present by the broker's clock, and by the wall."""
        self.follow()
        now = self.now()
        return now, now + self.difference

    def follow(self) -> None:
        """Notice whether the wall was set."""
        if abs(wall() - self.now() - self.difference) < STEP:
            return
        with self._mutex:
            difference = self._measured()
            change = difference - self.difference
            if abs(change) < STEP:
                return
            before, self._slept = self._slept, machine.slept()
            slept = abs(change - (self._slept - before)) < STEP
            self.steps.append(Step(self.now(), difference, slept))
            self.difference = difference

    def _measured(self) -> int:
        """How far the wall is ahead, read between two readings of the own clock that lie close together."""
        readings = []
        for _ in range(5):
            before, at, after = self.now(), wall(), self.now()
            readings.append((after - before, at - (before + after) // 2))
        return min(readings)[1]

    @property
    def unsettled(self) -> int:
        """How far the wall was set forward, less how far back, within the last ``SETTLES``: after that it counts as right.

        A time of which only the wall knows counts as set forward, where it is long.
        """
        since = self.now() - SETTLES
        off = self.believed.difference if self.believed.since > since else 0
        for before, step in reversed([*pairwise(self.steps)]):
            if step.since <= since:
                break
            if not step.slept:  # else it is the broker's clock that stood still, with the machine
                off += step.difference - before.difference
        return off if abs(off) >= SAID else 0

    def wall_at(self, instant: int) -> int:
        """What the wall showed at an instant of the broker's clock: not what it would say of it now."""
        i = bisect_right(self.steps, instant, key=lambda step: step.since)
        return instant + self.steps[max(0, i - 1)].difference

    def shown_since(self, instant: int) -> int:
        """Since when, by the broker's clock, the wall has shown an instant that it shows now, or a later one.

        Where it was set beyond it, that is when it was set, and not when it would have come there by itself.
        """
        for before, step in reversed([*pairwise(self.steps)]):
            if step.since + step.difference <= instant:
                return instant - step.difference
            if step.since + before.difference < instant:
                return step.since
        return instant - self.steps[0].difference

    @property
    def set_back(self) -> bool:
        """Whether the wall was ahead for a while and has been right since: what it stamped then is of no time that was.

        It has stood; this software existed when it shows; and it was there, give or take a tenth, before it was ahead, or was
        far ahead from the first start on. A machine that is behind now, and was right, looks like it but for one of these.
        """
        if self.now() - self.steps[-1].since < SETTLES or wall() < RELEASED:
            return False
        levels = [step.difference - self.difference for step in self.steps[:-1]]
        ahead = []
        while levels and levels[-1] > AHEAD:
            ahead.append(levels.pop())
        if not ahead:
            return False
        return abs(levels[-1]) <= max(ahead) // 10 if levels else min(ahead) > BELIEVED


_clock: Clock | None = None
_elsewhere: Callable[[], int] | None = None


def install(clock: Clock | None) -> None:
    """Make ``clock`` this process's clock; ``None``: no broker runs here any more."""
    global _clock
    _clock = clock


def running() -> Clock | None:
    """The clock of the broker of this process."""
    return _clock


def elsewhere(difference: Callable[[], int] | None) -> None:
    """Where no broker runs in this process, ``difference`` knows how far the wall is ahead of the clock of the one that does."""
    global _elsewhere
    _elsewhere = difference


def difference() -> int:
    """How far the wall is ahead of the broker's clock."""
    if _clock is not None:
        return _clock.difference
    return _elsewhere() if _elsewhere is not None else 0


def now() -> int:
    """The present by the broker's clock."""
    return _clock.now() if _clock is not None else wall() - difference()


def instants() -> tuple[int, int]:
    """The present by the broker's clock, and by the wall."""
    if _clock is not None:
        return _clock.instants()
    at = wall()
    return at - difference(), at


def to_wall(instant: int) -> int:
    """An instant of the broker's clock as the wall names it now."""
    return instant + difference()


def from_wall(instant: int) -> int:
    """An instant that the wall names, on the broker's clock as things stand."""
    return instant - difference()


def shown_since(instant: int) -> int:
    """Since when the wall has shown an instant that has come; without a broker here as if it had never been set."""
    return _clock.shown_since(instant) if _clock is not None else from_wall(instant)


def wall_at(instant: int) -> int:
    """What the wall showed at an instant of the broker's clock; without a broker here what it names it now."""
    return _clock.wall_at(instant) if _clock is not None else to_wall(instant)


def wall() -> int:
    """The present by the machine's wall clock."""
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
