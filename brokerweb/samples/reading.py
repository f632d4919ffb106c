"""What is known of how things stood: one series with all there is, or many as little pictures. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from brokerweb.core import clock
from brokerweb.samples.packing import unpack_depths, unpack_hour, unpack_some
from brokerweb.samples.rolling import taken
from brokerweb.samples.series import (
    EVERYTHING,
    HOUR,
    MINUTE,
    NOTHING,
    QUEUES,
    SLOT,
    TICK,
    Sample,
    bucket_of,
    instant_of,
    place_of,
    step_of,
    tick_at,
)
from brokerweb.samples.store import Q
from brokerweb.samples.walking import PER_HOUR, by_minute, hour_of, minute_of, walk
from brokerweb.storage.reading import Reads

RANGES = {"15m": 90, "1h": 360, "6h": 2160, "24h": 8640, "7d": 60480}  # in ticks
FINE = 360  # ticks; a longer range is by the minute
UNKEPT = 2 * SLOT  # ticks that may not be kept by the minute yet


class Between(NamedTuple):
    """A range of ticks of one's own: those after the first, up to the last."""

    first: int
    last: int

    @property
    def ticks(self) -> int:
        return self.last - self.first


Over = str | Between  # a range by its name, up to now, or one's own


def ticks_of(over: Over) -> int:
    """How long a range is."""
    return RANGES[over] if isinstance(over, str) else over.ticks


class Steps(NamedTuple):
    """A range of time in steps of so many ticks, up to the last that has ended."""

    ticks: int
    first: int
    last: int

    @property
    def all(self) -> range:
        return range(self.first, self.last + 1)

    @property
    def seconds(self) -> int:
        return self.ticks * TICK

    def instant(self, step: int) -> int:
        """When a step ended."""
        return instant_of(step, self.ticks)


class Series(NamedTuple):
    """A series over a range: a sample for each step, None where none was taken or the thing did not exist."""

    steps: Steps
    samples: list[Sample | None]

    @property
    def instants(self) -> list[int]:
        return [self.steps.instant(step) for step in self.steps.all]


def steps(over: Over, last: int) -> Steps:
    """The steps of a range, where the newest tick is that; at least one."""
    if isinstance(over, str):
        ticks = 1 if RANGES[over] <= FINE else MINUTE
        end = last // ticks
        return Steps(ticks, end - RANGES[over] // ticks + 1, end)
    ticks = 1 if over.ticks <= FINE and over.first > last - HOUR else MINUTE  # of older ones none is known by the tick
    end = max(1, min(over.last, last) // ticks)
    return Steps(ticks, min(end, over.first // ticks + 1), end)


def newest(reads: Reads, wall: int) -> int:
    """The last tick there is, or should be."""
    due = tick_at(wall)
    found = [tick for tick, _ in reads.rows(Q.fresh, EVERYTHING, due - 2, due)]
    return max(found, default=due)


def one(reads: Reads, series: int, asked: Over, since: int | None = None) -> Series:
    """A series over a range. ``since`` is when the thing began to exist, by the wall."""
    over = steps(asked, newest(reads, clock.wall()))
    ticks = _taken(reads, over)
    place, last = place_of(series), over.last * over.ticks
    rows = reads.rows(Q.fresh, bucket_of(series), min(ticks), last) if ticks else ()
    fresh = {tick: found[place] for tick, packed in rows if (found := unpack_some(packed, [place]))}
    walked = walk(ticks, fresh)
    known = dict(walked) if over.ticks == 1 else _kept(reads, series, over) | by_minute(walked)
    first = over.first if since is None else -(-since // (over.seconds * clock.SECOND))
    return Series(over, [known.get(step) if step >= first else None for step in over.all])


def _taken(reads: Reads, over: Steps) -> dict[int, bool]:
    """The ticks of a range that are fresh, from a slot's first on."""
    last = over.last * over.ticks
    first = over.first if over.ticks == 1 else max(over.first * over.ticks, last - UNKEPT)
    return taken(reads, (step_of(first, SLOT) - 1) * SLOT + 1, last)


def _kept(reads: Reads, series: int, over: Steps) -> dict[int, Sample]:
    """What is kept by the minute: of all minutes in which samples were taken."""
    hours = hour_of(over.first)[0], hour_of(over.last)[0]
    kept = _minutes(reads.rows(Q.hours, QUEUES, *hours))
    if series == QUEUES:
        return kept
    return dict.fromkeys(kept, NOTHING) | _minutes(reads.rows(Q.hours, series, *hours))


def _minutes(rows: Iterable[Sequence[object]]) -> dict[int, Sample]:
    found: dict[int, Sample] = {}
    for hour, packed in rows:
        for place, sample in unpack_hour(packed).items():  # type: ignore[arg-type]  # it is bytes
            found[minute_of(hour, place)] = sample  # type: ignore[arg-type]  # it is a number
    return found


# Many


class Spark(NamedTuple):
    """How much there was at a step, and how much of that was dead."""

    depth: int
    dead: int


Sparks = dict[int, list[Spark | None]]


def many(reads: Reads, several: Sequence[int], asked: Over) -> Sparks:
    """Of each series how much there was, by the minute, or over a long range the most of each hour."""
    ended = newest(reads, clock.wall())
    last = (ended if isinstance(asked, str) else min(asked.last, ended)) // MINUTE
    of = [QUEUES, *several]
    recent = _recent(reads, of, last)
    if (minutes := max(2, ticks_of(asked) // MINUTE)) <= 6 * PER_HOUR:
        known = _by_minute(reads, of, (last - minutes + 1, last), recent)
        wanted = range(last - minutes + 1, last + 1)
    else:
        end = step_of(last, PER_HOUR)
        wanted = range(end - minutes // PER_HOUR + 1, end + 1)
        known = _by_hour(reads, of, (wanted[0], end), recent)
    sampled = known[QUEUES]
    return {series: [known[series].get(step, _NONE) if step in sampled else None for step in wanted] for series in several}


_NONE = Spark(0, 0)
_Known = dict[int, dict[int, Spark]]


def _spark(sample: Sample) -> Spark:
    return Spark(sample.depth, sample.dead)


def _recent(reads: Reads, several: Sequence[int], last: int) -> _Known:
    """By the minute what may not be kept so yet: the last tick of a minute has whatever changed in it."""
    ticks = _taken(reads, Steps(MINUTE, last, last)._replace(first=last - UNKEPT // MINUTE))
    chosen = {tick: whole for tick, whole in ticks.items() if whole or tick % MINUTE == 0}
    places: dict[int, list[int]] = {}
    for series in several:
        places.setdefault(bucket_of(series), []).append(place_of(series))
    buckets = json.dumps(sorted(places), separators=(",", ":"))
    noted: dict[int, dict[int, dict[int, Sample]]] = {}
    for bucket, tick, packed in reads.rows(Q.fresh_of, buckets, json.dumps(sorted(chosen), separators=(",", ":"))):
        noted.setdefault(bucket, {})[tick] = unpack_some(packed, places[bucket])
    in_order = sorted(chosen.items())
    known: _Known = {}
    for series in several:
        place, of_bucket = place_of(series), noted.get(bucket_of(series), {})
        known[series] = _at_minutes(in_order, {tick: _spark(found[place]) for tick, found in of_bucket.items() if place in found})
    return known


def _at_minutes(ticks: Iterable[tuple[int, bool]], noted: Mapping[int, Spark]) -> dict[int, Spark]:
    """How much there was at the end of each minute: as ``walk`` goes, of which nothing else is wanted here."""
    minutes: dict[int, Spark] = {}
    spark = _NONE
    for tick, whole in ticks:
        spark = noted.get(tick, _NONE if whole else spark)
        minutes[step_of(tick, MINUTE)] = spark
    return minutes


def _by_minute(reads: Reads, several: Sequence[int], span: tuple[int, int], recent: Mapping[int, Mapping[int, Spark]]) -> _Known:
    known: _Known = {series: {} for series in several}
    hours = hour_of(span[0])[0], hour_of(span[1])[0]
    for series, hour, packed in reads.rows(Q.hours_of, json.dumps(list(several), separators=(",", ":")), *hours):
        known[series] |= {minute_of(hour, place): Spark(*found) for place, found in unpack_depths(packed).items()}
    return {series: found | dict(recent[series]) for series, found in known.items()}


def _by_hour(reads: Reads, several: Sequence[int], span: tuple[int, int], recent: Mapping[int, Mapping[int, Spark]]) -> _Known:
    known: _Known = {series: {} for series in several}
    for series, hour, *most in reads.rows(Q.most_of, json.dumps(list(several), separators=(",", ":")), *span):
        known[series][hour] = Spark(*most)
    for series in several:
        for minute, spark in recent[series].items():
            hour = step_of(minute, PER_HOUR)
            most_ = known[series].get(hour, _NONE)
            known[series][hour] = Spark(max(most_.depth, spark.depth), max(most_.dead, spark.dead))
    return known
