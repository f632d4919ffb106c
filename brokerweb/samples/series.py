"""What is sampled: a series is a thing's number and its kind in one integer; a bucket is some neighbours of one kind.

Time is counted in whole steps since 1970. Step ``n`` ends at ``n`` times its length: a minute has six ticks, an hour sixty
minutes, and each begins right after the one before.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from brokerweb.core import clock

TICK = 10  # seconds
MINUTE, HOUR, SLOT = 6, 360, 120  # ticks; what is fresh is kept by the minute a slot at a time
WIDTH = 5  # bits of a thing's number that tell neighbours of a bucket apart


class Kind(IntEnum):
    """What a series is of."""

    ALL = 0
    QUEUE = 1
    STREAM = 2
    GROUP = 3
    TOPIC = 4


class Sample(NamedTuple):
    """How something stood at the end of a step, and what happened in it.

    Of a group ``ready`` is its lag and ``oldest`` how old the first record is that it has not read; of a stream ``ready`` is its
    records. ``oldest`` is in tenths of a second and one more, 0 where nothing waits.
    """

    ready: int = 0
    scheduled: int = 0
    blocked: int = 0
    leased: int = 0
    dead: int = 0
    oldest: int = 0
    came: int = 0
    went: int = 0
    failed: int = 0

    @property
    def depth(self) -> int:
        """All that is there but the dead."""
        return self.ready + self.scheduled + self.blocked + self.leased

    @property
    def still(self) -> bool:
        """Whether nothing happened."""
        return not (self.came or self.went or self.failed)

    def later(self, seconds: float) -> Sample:
        """The same some time after, while nothing happened."""
        return self._replace(oldest=self.oldest and self.oldest + round(10 * seconds), came=0, went=0, failed=0)


NOTHING = Sample()


def summed(samples: Iterable[Sample]) -> Sample:
    """Several of one instant added up; of the ages the highest."""
    columns = list(zip(*samples, strict=True)) or [(0,)] * len(Sample._fields)
    named = zip(Sample._fields, columns, strict=True)
    return Sample(*(max(column) if name == "oldest" else sum(column) for name, column in named))


def of(kind: Kind, number: int) -> int:
    """The series of the thing of that number."""
    return number << 3 | kind


def bucket_of(series: int) -> int:
    """The bucket that a series is in."""
    return series >> 3 + WIDTH << 3 | series & 7


def place_of(series: int) -> int:
    """Its place there."""
    return series >> 3 & (1 << WIDTH) - 1


def series_at(bucket: int, place: int) -> int:
    """The series at a place of a bucket."""
    return (bucket >> 3 << WIDTH | place) << 3 | bucket & 7


QUEUES, STREAMS = of(Kind.ALL, 0), of(Kind.ALL, 1)  # all queues, all streams and their groups
EVERYTHING = bucket_of(QUEUES)  # the bucket that every tick is in
WHOLE = place_of(of(Kind.ALL, 31))  # there: whatever the tick has no sample of was empty and idle


def tick_at(instant: int) -> int:
    """The last step of ten seconds that has ended at an instant."""
    return instant // (TICK * clock.SECOND)


def step_of(tick: int, ticks: int) -> int:
    """Which step of so many ticks it is in."""
    return -(-tick // ticks)


def instant_of(step: int, ticks: int) -> int:
    """When a step ended."""
    return step * ticks * TICK * clock.SECOND
