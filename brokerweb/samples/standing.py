"""How everything stands at one instant, read with a few statements whatever there is, and what happened since the time before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from brokerweb.core import clock, events
from brokerweb.core.rates import Counts, Rates
from brokerweb.queues.stats import stats as queue_stats
from brokerweb.routing.stats import stats as topic_stats
from brokerweb.samples.series import QUEUES, STREAMS, Kind, Sample, of, summed
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.streams.progress import READ, progress

Q = Statements("brokerweb.samples", "standing.sql")

AGED = 1_000  # queues, and groups, whose oldest is looked for at a time: the longest of those that changed


@dataclass
class Group:
    """How far a consumer group has come."""

    stream: int
    queue: int | None  # a shared one's own
    generation: int
    committed: int
    lag: int


@dataclass
class Standing:
    """What there is. Of queues the messages ready, scheduled, blocked, leased and dead; of streams what was ever appended, and
    the records there are. ``since`` is when the oldest that waits became ready, by the wall, of series.
    """

    declared: dict[int, tuple[int, ...]] = field(default_factory=dict)
    hidden: dict[int, tuple[int, ...]] = field(default_factory=dict)  # shared groups' own queues
    streams: dict[int, tuple[int, int]] = field(default_factory=dict)
    groups: dict[int, Group] = field(default_factory=dict)
    since: dict[int, int] = field(default_factory=dict)


def look(reads: Reads, before: Standing | None, happened: Happened) -> Standing:
    """How everything stands now; since when the oldest waits is looked for where something has changed or was handed out."""
    now = Standing(since=dict(before.since) if before else {})
    for queue_id, declared, *counts in reads.rows(Q.queues):
        (now.declared if declared else now.hidden)[queue_id] = tuple(counts)
    now.streams = {stream_id: (appended, records) for stream_id, appended, records in reads.rows(Q.streams)}
    now.groups = {group_id: Group(*found) for group_id, *found in reads.rows(Q.groups)}
    flowing = {id for event, id in happened.queues if event == events.DELIVERED}  # their counts may be as before
    _look_for_oldest(reads, before or Standing(), now, flowing)
    return now


def _look_for_oldest(reads: Reads, before: Standing, now: Standing, flowing: set[int]) -> None:
    unknown = {id for id in now.declared if of(Kind.QUEUE, id) not in now.since} | flowing
    changed = {id for id, counts in now.declared.items() if id in unknown or before.declared.get(id) != counts}
    ready = {id: now.declared[id][0] for id in changed}
    lags = {id: group.lag for id, group in now.groups.items() if before.groups.get(id) != group}
    ahead = clock.difference()
    for kind, waiting, statement, shift in ((Kind.QUEUE, ready, Q.oldest, ahead), (Kind.GROUP, lags, Q.unread, 0)):
        for number in waiting:
            now.since.pop(of(kind, number), None)
        longest = sorted((number for number, n in waiting.items() if n), key=lambda number: -waiting[number])[:AGED]
        if longest:
            found = reads.rows(statement, str(sorted(longest)).replace(" ", ""))
            now.since |= {of(kind, number): since + shift for number, since in found if since is not None}
    there = {of(Kind.QUEUE, id) for id, counts in now.declared.items() if counts[0]}
    there |= {of(Kind.GROUP, id) for id, group in now.groups.items() if group.lag}
    now.since = {series: since for series, since in now.since.items() if series in there}


class Told:
    """What the processes of the cluster have counted since the time before."""

    def __init__(self, rates: Rates) -> None:
        self._rates, self._totals = rates, rates.totals()

    def since(self, seconds: float) -> Counts:
        """(event, id) -> how many: of this process exactly, of others as they tell their rates."""
        totals, before = self._rates.totals(), self._totals
        self._totals = totals
        found = {key: n - before.get(key, 0) for key, n in totals.items() if n > before.get(key, 0)}
        for of_, rates in self._rates.elsewhere().items():
            for name, rate in rates.items():
                if rate:
                    found[name, of_] = found.get((name, of_), 0) + round(rate * seconds)
        return found


@dataclass
class Happened:
    """What was counted."""

    queues: Counts
    topics: Counts
    groups: Counts


class Counters:
    """The counters that are told of what happens."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> Happened:
        """What happened until now is nothing of what will be asked for."""
        self._told = [Told(rates) for rates in (queue_stats, topic_stats, progress)]
        return Happened({}, {}, {})

    def since(self, seconds: float) -> Happened:
        """What happened since the last time this was asked."""
        return Happened(*(told.since(seconds) for told in self._told))


def samples(before: Standing | None, now: Standing, happened: Happened, wall: int) -> dict[int, Sample]:
    """The sample of every series. Without a ``before`` nothing has happened that anybody saw."""
    found = dict(_queues(before, now, happened, wall))
    groups = dict(_groups(before, now, happened, wall))
    found[QUEUES] = summed(found.values())
    streams = dict(_streams(before, now, groups))
    found[STREAMS] = Sample(
        ready=sum(group.lag for group in now.groups.values()),
        oldest=max((sample.oldest for sample in groups.values()), default=0),
        came=sum(sample.came for sample in streams.values()),
        went=sum(sample.went for sample in groups.values()),
        failed=sum(sample.failed for sample in groups.values()),
    )
    return found | groups | streams | dict(_topics(happened))


Found = Iterable[tuple[int, Sample]]


def _queues(before: Standing | None, now: Standing, happened: Happened, wall: int) -> Found:
    for queue_id, counts in now.declared.items():
        series = of(Kind.QUEUE, queue_id)
        came = went = 0
        if before is not None:
            grown = sum(counts) - sum(before.declared.get(queue_id, ()))
            came, went = flow(happened.queues, queue_id, grown)
        failed = happened.queues.get((events.FAILED, queue_id), 0)
        yield series, Sample(*(*counts, _age(now, series, wall), came, went, failed))


def flow(counted: Mapping[tuple[str, int], int], queue_id: int, grown: int) -> tuple[int, int]:
    """How many messages came to a queue and how many left it, so that it has grown by that many.

    Those that were published and settled here are counted. What else has left was expired, purged or moved, or taken without a
    settlement; what else has come was published or moved there by a process that counts nothing here.
    """
    went = max(counted.get((events.PUBLISHED, queue_id), 0) - grown, counted.get((events.ACKED, queue_id), 0), 0)
    return went + grown, went


def _groups(before: Standing | None, now: Standing, happened: Happened, wall: int) -> Found:
    for group_id, group in now.groups.items():
        series, was = of(Kind.GROUP, group_id), before.groups.get(group_id) if before else None
        read = 0
        if was is not None:  # a seek begins a generation, and reads nothing
            steady = was.generation == group.generation
            read = max(0, group.committed - was.committed) if steady else happened.groups.get((READ, group_id), 0)
        came = _appended(before, now, group.stream)
        leased, dead = now.hidden.get(group.queue or 0, (0,) * 5)[3:]
        failed = happened.queues.get((events.FAILED, group.queue or 0), 0)
        yield series, Sample(group.lag, 0, 0, leased, dead, _age(now, series, wall), came, read, failed)


def _streams(before: Standing | None, now: Standing, groups: Mapping[int, Sample]) -> Found:
    theirs: dict[int, list[Sample]] = {}
    for group_id, group in now.groups.items():
        theirs.setdefault(group.stream, []).append(groups[of(Kind.GROUP, group_id)])
    for stream_id, (_, records) in now.streams.items():
        came, of_groups = _appended(before, now, stream_id), theirs.get(stream_id, ())
        had = before.streams.get(stream_id, (0, 0))[1] if before else records + came
        yield (
            of(Kind.STREAM, stream_id),
            Sample(
                ready=records,
                leased=sum(sample.leased for sample in of_groups),
                dead=sum(sample.dead for sample in of_groups),
                came=came,
                went=max(0, had + came - records),
                failed=sum(sample.failed for sample in of_groups),
            ),
        )


def _appended(before: Standing | None, now: Standing, stream_id: int) -> int:
    if before is None or stream_id not in now.streams:
        return 0
    return max(0, now.streams[stream_id][0] - before.streams.get(stream_id, (0, 0))[0])


def _topics(happened: Happened) -> Found:
    for topic_id in {topic_id for _, topic_id in happened.topics}:
        came, lost = (happened.topics.get((event, topic_id), 0) for event in (events.PUBLISHED, events.UNROUTED))
        yield of(Kind.TOPIC, topic_id), Sample(came=came, went=max(0, came - lost), failed=lost)


def _age(now: Standing, series: int, wall: int) -> int:
    """Since when the oldest waits, as samples have it."""
    since = now.since.get(series)
    return 0 if since is None else 1 + max(0, wall - since) * 10 // clock.SECOND
