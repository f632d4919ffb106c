"""What pages show of streams: sums over partitions, and rates."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

from django.db.models import Count, QuerySet, Sum

from brokerweb.console.listing import Asked, holds
from brokerweb.console.pictures import sparklines
from brokerweb.console.ranges import Range
from brokerweb.console.rights import browsable_streams
from brokerweb.console.rows import GroupCount, Sizes, StreamRow
from brokerweb.identity.principal import Principal
from brokerweb.samples.series import Kind
from brokerweb.streams import stats
from brokerweb.streams.models import ConsumerGroup, GroupPartition, Partition, Stream

PARTITIONS = 100  # of one stream on one page
EMPTY = Sizes(0, 0, 0, 0, 0)
MANY = 200  # streams: of more the figures of all are read


def rows(streams: Iterable[Stream]) -> list[StreamRow]:
    """The streams as rows, with a few statements for all of them."""
    listed = list(streams)
    figures = Figures(stream.pk for stream in listed)
    return [row_of(stream, figures) for stream in listed]


def row_of(stream: Stream, figures: Figures) -> StreamRow:
    """A stream as a row."""
    sizes, groups = figures.sizes.get(stream.pk, EMPTY), figures.groups.get(stream.pk, 0)
    rate = figures.rates.get(stream.pk, {}).get("appended", 0.0)
    left = figures.lags.get(stream.pk)
    return StreamRow(stream.name, stream.compact, sizes, groups, rate, stream.pk, left[0] if left else None)


class Figures:
    """What changes of some streams, by their ids; each kind is read once, by one statement or from memory, when somebody asks."""

    def __init__(self, ids: Iterable[int]) -> None:
        self.ids = list(ids)

    @cached_property
    def sizes(self) -> Mapping[int, Sizes]:
        columns = ("low_offset", "next_offset", "records", "bytes")
        parts = self._mine(Partition.objects.all()).values_list("stream_id").annotate(Count("id"), *map(Sum, columns))
        return {stream_id: Sizes(*numbers) for stream_id, *numbers in parts.order_by()}

    @cached_property
    def groups(self) -> Mapping[int, int]:
        return dict(self._mine(ConsumerGroup.objects.all()).values_list("stream_id").annotate(Count("id")).order_by())

    @cached_property
    def lags(self) -> Mapping[int, list[GroupCount]]:
        """Of each stream the groups that have something left to read, and how much, the most first."""
        columns = ("id", "low_offset", "next_offset")
        there = {pk: (low, end) for pk, low, end in self._mine(Partition.objects.all()).values_list(*columns)}
        groups = {
            pk: of for pk, *of in self._mine(ConsumerGroup.objects.all()).values_list("pk", "stream_id", "stream__name", "name")
        }
        left = Counter[int]()
        for group_id, partition_id, committed in _places(groups).values_list("group_id", "partition_id", "committed"):
            low, end = there.get(partition_id, (0, 0))
            left[group_id] += max(0, end - max(committed, low))
        found: dict[int, list[GroupCount]] = {}
        for group_id, n in left.most_common():
            if n and group_id in groups:
                stream_id, stream, group = groups[group_id]
                found.setdefault(stream_id, []).append(GroupCount(stream, group, n))
        return found

    @cached_property
    def rates(self) -> Mapping[int, Mapping[str, float]]:
        return stats.by_id()

    def _mine(self, rows: QuerySet[Any]) -> QuerySet[Any]:
        """Of many those of all, since each that is named costs more than it spares."""
        return rows if len(self.ids) > MANY else rows.filter(stream_id__in=self.ids)


def _places(groups: Collection[int]) -> QuerySet[GroupPartition]:
    """Where these groups are; of many those of all."""
    return GroupPartition.objects.all() if len(groups) > MANY else GroupPartition.objects.filter(group_id__in=groups)


# The list


class Sums(NamedTuple):
    """All streams that a person may browse: how many, their groups, and how many of these have something left to read."""

    streams: int
    groups: int
    behind: int = 0
    furthest: GroupCount | None = None


def sums(principal: Principal) -> Sums:
    """The sentence above the list; of very many streams nobody adds up how far their groups are."""
    found = browsable_streams(principal)
    figures = Figures(stream.pk for stream in found)
    groups = sum(figures.groups.get(stream.pk, 0) for stream in found)
    if len(found) > MANY:
        return Sums(len(found), groups)
    behind = [each for stream in found for each in figures.lags.get(stream.pk, ())]
    return Sums(len(found), groups, len(behind), max(behind, key=lambda each: each.n, default=None))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A stream of the list, whose figures are read only where it is filtered or sorted by them, and then those of all at once."""

    stream: Stream
    figures: Figures

    @property
    def sizes(self) -> Sizes:
        return self.figures.sizes.get(self.stream.pk, EMPTY)

    @property
    def groups(self) -> int:
        return self.figures.groups.get(self.stream.pk, 0)

    @property
    def lag(self) -> int | None:
        """How much is left of it for the group that is furthest behind; None where there are no groups."""
        left = self.figures.lags.get(self.stream.pk)
        return left[0].n if left else 0 if self.groups else None

    @property
    def rate(self) -> float:
        return self.figures.rates.get(self.stream.pk, {}).get("appended", 0.0)


def candidates(principal: Principal, asked: Asked) -> list[Candidate]:
    """The streams the person may browse whose names hold what is asked for."""
    found = [stream for stream in browsable_streams(principal) if holds(stream.name, asked)]
    figures = Figures(stream.pk for stream in found)
    return [Candidate(stream, figures) for stream in found]


def suits(row: Candidate, asked: Asked) -> bool:
    """Whether it has records, where those without are left out."""
    return not asked.full or row.sizes.records > 0


def shown(found: Sequence[Candidate], over: Range | None) -> list[StreamRow]:
    """A page's rows, of the figures that they were sorted by; with pictures of a range."""
    if found and "sizes" in vars(found[0].figures):
        page = [row_of(row.stream, row.figures) for row in found]
    else:
        page = rows(row.stream for row in found)
    return page if over is None else pictured(page, over)


def pictured(shown: Sequence[StreamRow], over: Range) -> list[StreamRow]:
    """The rows, each with a little picture."""
    sparks = sparklines(((Kind.STREAM, row.pk) for row in shown), over)
    return [replace(row, spark=sparks[Kind.STREAM, row.pk]) for row in shown]


def left(stream: Stream) -> list[GroupCount]:
    """The groups that have something left to read of it, the furthest behind first."""
    return Figures([stream.pk]).lags.get(stream.pk, [])


def busiest(streams: Iterable[Stream], most: int) -> list[StreamRow]:
    """Those that most is appended to now; then, of the quiet ones, the first by name."""
    return rows(sorted(streams, key=lambda stream: (-appended(stream), stream.name))[:most])


def appended(stream: Stream) -> float:
    """Records per second."""
    return stats.rates(stream.pk)["appended"]


def partitions(stream: Stream, first: int = 0) -> tuple[Sequence[Partition], int | None]:
    """Some of the partitions from a number on, and the number of the next one."""
    found = list(Partition.objects.filter(stream_id=stream.pk, number__gte=first).order_by("number")[: PARTITIONS + 1])
    return found[:PARTITIONS], found[PARTITIONS].number if len(found) > PARTITIONS else None
