"""From what was noted to the samples of every tick, and of minutes: what was not noted was as before, and idle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from brokerweb.samples.series import HOUR, MINUTE, NOTHING, TICK, Sample, step_of

PER_HOUR = HOUR // MINUTE


def walk(ticks: Mapping[int, bool], noted: Mapping[int, Sample]) -> Iterator[tuple[int, Sample]]:
    """A series at each of the ``ticks`` that were taken, the first of a slot among them; true are those that were whole."""
    sample, at = NOTHING, 0
    for tick in sorted(ticks):
        assumed = NOTHING if ticks[tick] else sample.later((tick - at) * TICK)
        sample, at = noted.get(tick, assumed), tick
        yield tick, sample


def by_minute(walked: Iterable[tuple[int, Sample]]) -> dict[int, Sample]:
    """How it stood at the end of each minute, and all that happened within."""
    minutes: dict[int, Sample] = {}
    for tick, sample in walked:
        minute = step_of(tick, MINUTE)
        before = minutes.get(minute, NOTHING)
        minutes[minute] = sample._replace(
            came=before.came + sample.came, went=before.went + sample.went, failed=before.failed + sample.failed
        )
    return minutes


def hour_of(minute: int) -> tuple[int, int]:
    """The hour that a minute is of, and its place there."""
    return step_of(minute, PER_HOUR), (minute - 1) % PER_HOUR


def minute_of(hour: int, place: int) -> int:
    """The minute at a place of an hour."""
    return (hour - 1) * PER_HOUR + 1 + place
