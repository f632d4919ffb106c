"""The duty that takes samples, every ten seconds: how everything stands is read on a reader's thread, and what has changed noted.

A tick that is the first of its slot, or of a run, is whole: it has a sample of whatever is not empty, and what it has none of was
empty. So a slot says all there is to know of it, and what is idle and empty takes no room at all.
"""

from __future__ import annotations

from collections.abc import Mapping

from brokerweb.core import clock
from brokerweb.core.errors import StoreFull
from brokerweb.samples import store
from brokerweb.samples.packing import pack_tick
from brokerweb.samples.series import (
    EVERYTHING,
    MINUTE,
    NOTHING,
    QUEUES,
    SLOT,
    STREAMS,
    TICK,
    WHOLE,
    Sample,
    bucket_of,
    place_of,
    step_of,
    tick_at,
)
from brokerweb.samples.standing import Counters, Standing, look, samples
from brokerweb.storage import disk
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform

BEHIND = 0.02  # seconds after a step's end, so that it has ended by any reading of the clock
LONGEST = TICK + 1.0  # seconds between looks
MISSED = 3  # ticks without a sample after which nothing is known of what happened meanwhile


class Sampler:
    """A duty: ``tick`` looks, and notes."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._before: Standing | None = None
        self._counters = Counters()
        self._noted: dict[int, Sample] = {}
        self._knows = False  # what happened in the last step
        self._lately: set[int] = set()  # series that have changed in this minute

    @property
    def latest(self) -> Mapping[int, Sample] | None:
        """The newest sample of every series; None where this node has taken none lately, or none that knows what happened."""
        return self._noted if self._knows and self._last is not None and self._before is not None else None

    async def tick(self, now: int) -> float:
        wall = clock.wall()
        tick = tick_at(wall)
        if self._last is None or not 0 <= tick - self._last <= MISSED:
            self._last, self._before = tick, None  # nothing is known of before; the next whole step is the first
        elif disk.of().refusing:
            self._last = None  # what room is left is for messages
        elif tick > self._last:
            try:
                await self.take(tick, wall)
            except StoreFull:
                self._last = None
        return TICK - clock.wall() % (TICK * clock.SECOND) / clock.SECOND + BEHIND

    async def take(self, tick: int, wall: int) -> None:
        """How everything stands at the end of a step."""
        passed = tick - self._last if self._last is not None else 1
        before = self._before
        happened = self._counters.since(passed * TICK) if before else self._counters.begin()
        standing = await aread(look, before, happened)
        found = samples(before, standing, happened, wall)
        if passed > 1 and before is not None:
            found = {series: _spread(sample, passed) for series, sample in found.items()}
        whole = before is None or step_of(tick, SLOT) != step_of(tick - passed, SLOT)
        rows = packed(tick, self._changed(tick, found, whole=whole), whole=whole)
        for i in range(0, len(rows), store.ROWS):
            await aperform(store.note, rows[i : i + store.ROWS])
        self._last, self._before, self._noted, self._knows = tick, standing, found, before is not None

    def _changed(self, tick: int, found: Mapping[int, Sample], *, whole: bool) -> dict[int, Sample]:
        """What is to be noted: the last tick of a minute has whatever changed in it, so that it does without the others."""
        changed = {series for series, sample in found.items() if _moved(self._noted.get(series, NOTHING), sample)}
        changed |= self._noted.keys() - found.keys()  # what is no more
        if whole:
            changed |= {series for series, sample in found.items() if sample != NOTHING}
        self._lately |= changed
        if tick % MINUTE == 0:
            changed, self._lately = self._lately, set()
        return {series: found.get(series, NOTHING) for series in changed | {QUEUES, STREAMS}}


def _moved(before: Sample, now: Sample) -> bool:
    """Whether anything is other than before, but that what waits has waited for longer."""
    return not now.still or before._replace(oldest=0, came=0, went=0, failed=0) != now._replace(oldest=0)


def _spread(sample: Sample, ticks: int) -> Sample:
    """What happened within several ticks, of one of them."""
    return sample._replace(came=sample.came // ticks, went=sample.went // ticks, failed=sample.failed // ticks)


def packed(tick: int, found: Mapping[int, Sample], *, whole: bool) -> list[tuple[int, int, bytes]]:
    """The rows of a tick."""
    buckets: dict[int, dict[int, Sample]] = {EVERYTHING: {WHOLE: NOTHING} if whole else {}}
    for series in sorted(found):
        buckets.setdefault(bucket_of(series), {})[place_of(series)] = found[series]
    return [(bucket, tick, pack_tick(samples)) for bucket, samples in buckets.items()]
