"""Samples of times past, as if they had been taken: for what is drawn of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brokerweb.core import clock
from brokerweb.samples import store
from brokerweb.samples.series import EVERYTHING, HOUR, MINUTE, QUEUES, SLOT, Sample, step_of, tick_at
from brokerweb.samples.store import Hour
from brokerweb.samples.taking import packed
from brokerweb.samples.walking import hour_of
from brokerweb.storage.run import perform

Story = Callable[[int], Sample]  # tick -> the sample of that tick


def tell(stories: Mapping[int, Story], *, hours: int = 0) -> int:
    """By the tick for a little more than an hour, and by the minute for so many hours before that; the last tick."""
    last = tick_at(clock.wall())
    first = (step_of(last - HOUR, SLOT) - 1) * SLOT + 1
    told = {QUEUES: lambda tick: Sample()} | dict(stories)
    for tick in range(first, last + 1):
        samples = {series: story(tick) for series, story in told.items()}
        perform(store.note, packed(tick, samples, whole=tick % SLOT == 1))
    for series, story in told.items():
        minutes: dict[int, dict[int, Sample]] = {}
        for minute in range((first - 1) // MINUTE - hours * 60 + 1, (first - 1) // MINUTE + 1):
            hour, place = hour_of(minute)
            sample = story(minute * MINUTE)
            counts = {name: getattr(sample, name) * MINUTE for name in ("came", "went", "failed")}
            minutes.setdefault(hour, {})[place] = sample._replace(**counts)
        perform(store.keep, [Hour(series, hour, some) for hour, some in minutes.items()], EVERYTHING, 0)
    return last
