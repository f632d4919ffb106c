"""The duty that keeps by the minute what was noted every ten seconds, and lets go of what is old: a little at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from brokerweb.core import clock
from brokerweb.samples import store
from brokerweb.samples.packing import places_in, unpack_hour, unpack_tick
from brokerweb.samples.series import EVERYTHING, HOUR, NOTHING, QUEUES, SLOT, TICK, WHOLE, Sample, series_at, step_of, tick_at
from brokerweb.samples.store import Hour, Q
from brokerweb.samples.walking import by_minute, hour_of, walk
from brokerweb.storage import disk
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform

EVERY = 2.0  # seconds between turns
FRESH = HOUR + SLOT  # ticks that stay as they were noted
KEPT = 7 * 24 + 1  # hours that stay by the minute


class Work(NamedTuple):
    """What becomes of a bucket's fresh samples: hours to be kept, and up to which tick none of them is needed any more."""

    bucket: int
    hours: list[Hour]
    last: int


class Rolling:
    """A duty: a turn of it keeps one bucket. A round over all buckets begins with each slot that has ended."""

    def __init__(self) -> None:
        self._slot: int | None = None
        self._left: list[int] = []
        self._kept: dict[int, int] = {}  # bucket -> the last tick that is kept; those before a start are kept once more
        self._ticks: dict[int, bool] = {}  # that were taken, and whether they were whole

    async def tick(self, now: int) -> float:
        if disk.of().refusing:
            return EVERY
        tick = tick_at(clock.wall())
        ended = step_of(tick, SLOT) - 1
        if not self._left and ended != self._slot:
            await self._begin(ended)
        elif self._left:
            bucket = self._left.pop()
            done: Work = await aread(work, bucket, self._ticks, (self._kept.get(bucket, 0), ended * SLOT, tick))
            await aperform(store.keep, done.hours, bucket, done.last)
            self._kept[bucket] = ended * SLOT
        else:
            await aperform(store.forget, step_of(tick, HOUR) - KEPT)
        return min(EVERY, SLOT * TICK / 2 / (1 + len(self._left)))

    async def _begin(self, ended: int) -> None:
        buckets = await aread(lambda reads: reads.rows(Q.buckets))
        first = min((tick for _, tick in buckets), default=0)
        self._ticks = await aread(taken, first, ended * SLOT)
        self._left, self._slot = [bucket for bucket, _ in buckets], ended
        self._kept = {bucket: self._kept.get(bucket, 0) for bucket in self._left}


def taken(reads: Reads, first: int, last: int) -> dict[int, bool]:
    """The ticks that were taken, and whether each was whole."""
    return {tick: WHOLE in places_in(packed) for tick, packed in reads.rows(Q.fresh, EVERYTHING, first, last)}


def work(reads: Reads, bucket: int, ticks: Mapping[int, bool], span: tuple[int, int, int]) -> Work:
    """What is to be kept of a bucket: of the ticks after the first of a ``span``, up to the second; the third is now."""
    after, last, now = span
    noted: dict[int, dict[int, Sample]] = {}
    for tick, packed in reads.rows(Q.fresh, bucket, after + 1, last):
        for place, sample in unpack_tick(packed).items():
            noted.setdefault(place, {})[tick] = sample
    hours: list[Hour] = []
    for place, samples in noted.items():
        series = series_at(bucket, place)
        if (bucket, place) != (EVERYTHING, WHOLE):
            hours += _merged(reads, series, _minutes(ticks, samples))
    return Work(bucket, [hour for hour in hours if hour.series == QUEUES or any(map(_busy, hour.minutes.values()))], now - FRESH)


def _busy(sample: Sample) -> bool:
    return sample != NOTHING


def _minutes(ticks: Mapping[int, bool], samples: Mapping[int, Sample]) -> dict[int, Sample]:
    """The minutes of the slots in which something was noted."""
    slots = {step_of(tick, SLOT) for tick in samples}
    return by_minute(walk({tick: whole for tick, whole in ticks.items() if step_of(tick, SLOT) in slots}, samples))


def _merged(reads: Reads, series: int, minutes: Mapping[int, Sample]) -> list[Hour]:
    """The minutes by the hour, with what is kept of those hours already."""
    hours: dict[int, dict[int, Sample]] = {}
    for minute, sample in minutes.items():
        hour, place = hour_of(minute)
        hours.setdefault(hour, {})[place] = sample
    found = dict(reads.rows(Q.hours, series, min(hours), max(hours))) if hours else {}
    return [Hour(series, hour, (unpack_hour(found[hour]) if hour in found else {}) | some) for hour, some in hours.items()]
