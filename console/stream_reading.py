"""What pages show of streams: sums over partitions, rates, and groups with what is left for them to read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db.models import Count, Sum

from brokerweb.console.filters import LIMIT, NameFilter
from brokerweb.console.reading import dead_numbers, visible
from brokerweb.delivery import connections
from brokerweb.identity.principal import Principal
from brokerweb.queues import stats as queue_stats
from brokerweb.queues.models import Queue
from brokerweb.storage.reading import read
from brokerweb.streams import control, group_objects, stats
from brokerweb.streams.group_objects import GroupPage
from brokerweb.streams.groups import Q as GROUPS
from brokerweb.streams.models import ConsumerGroup, Partition, Stream

PARTITIONS = 100  # of one stream on one page
MOST_GROUPS = 100  # of the overview's findings: the ones that are furthest behind


class Sizes(NamedTuple):
    """A stream's partitions: how many, and their offsets, records and bytes added up."""

    partitions: int
    low: int
    end: int
    records: int
    bytes: int


EMPTY = Sizes(0, 0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class StreamRow:
    """One stream of a list."""

    name: str
    compact: bool
    sizes: Sizes
    groups: int
    rate: float


def rows(streams: Iterable[Stream]) -> list[StreamRow]:
    """The streams as rows, with a few statements for all of them."""
    listed = list(streams)
    ids = [stream.pk for stream in listed]
    columns = ("low_offset", "next_offset", "records", "bytes")
    parts = Partition.objects.filter(stream_id__in=ids).values_list("stream_id").annotate(Count("id"), *map(Sum, columns))
    sums = {stream_id: Sizes(*numbers) for stream_id, *numbers in parts.order_by()}
    groups = dict(ConsumerGroup.objects.filter(stream_id__in=ids).values_list("stream_id").annotate(Count("id")).order_by())
    return [StreamRow(s.name, s.compact, sums.get(s.pk, EMPTY), groups.get(s.pk, 0), appended(s)) for s in listed]


def listed(principal: Principal, asked: NameFilter) -> tuple[list[StreamRow], str | None]:
    """A page of streams by name, and the cursor of the next. Raises Invalid for a cursor of another list."""
    page = control.list_streams(asked.prefix, after=asked.after or None, limit=LIMIT, visible=visible(principal, "stream"))
    return rows(page.items), page.next


def browsable(principal: Principal) -> list[Stream]:
    """Every stream the person may browse, by name."""
    may = visible(principal, "stream")
    return [stream for stream in Stream.objects.filter(deleted_at=None).order_by("name") if may(stream.name)]


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


# Groups


def groups(stream: str, *, after: str | None = None, limit: int = LIMIT) -> GroupPage:
    """A stream's groups, whole. Raises NotFound, and Invalid for a cursor of another list."""
    return read(lambda reader: group_objects.list_groups(reader, stream, after=after, limit=limit))


def group(stream: str, name: str) -> dict[str, Any]:
    """One group, its partitions with their owners' names. Raises NotFound."""
    found: dict[str, Any] = read(group_objects.describe, stream, name)
    members = {member["id"]: member["name"] for member in found["members"]}
    for part in found["partitions"]:
        part |= {name: int(part[name]) for name in ("committed", "low", "end")}
        part["owner_name"], part["heir_name"] = members.get(part["owner"]), members.get(part["heir"])
        part["way"] = Way.of(part)
    return found


class Way(NamedTuple):
    """How far a group has come in a partition, as a share of what is there."""

    done: float
    left: int

    @classmethod
    def of(cls, part: Mapping[str, Any]) -> Way:
        low, end, committed = part["low"], part["end"], part["committed"]
        there = end - low
        return cls(min(1.0, max(0.0, (committed - low) / there)) if there else 1.0, part["lag"])


def takers(stream: str, name: str) -> list[dict[str, Any]]:
    """The subscriptions of this process to a group."""
    return [
        {**connection, **sub}
        for connection in connections.snapshot()
        for sub in connection["subscriptions"]
        if sub.get("stream") == stream and sub.get("group") == name
    ]


def _delivers(queue_id: int | None) -> bool:
    """Whether a shared group's queue handed out anything lately."""
    return queue_id is not None and queue_stats.rates(queue_id)["delivered"] > 0


def unread(found: Mapping[str, Any], subscriptions: Sequence[object]) -> bool:
    """Whether there is something left for a group to read, and nobody reads for it."""
    if not found["lag"] or found["members"] or subscriptions:
        return False
    [queue_id] = ConsumerGroup.objects.filter(stream__name=found["stream"], name=found["name"]).values_list("queue_id", flat=True)
    return not _delivers(queue_id)


class Behind(NamedTuple):
    """A group and how many records, or dead letters, wait there for somebody."""

    stream: str
    group: str
    n: int


def behind(principal: Principal) -> list[Behind]:
    """Groups that nobody reads for, with records left to read; the furthest behind first.

    A shared one is read for, too, while calls to receive over REST take from it.
    """
    may = visible(principal, "stream")
    taken = {(sub.get("stream"), sub.get("group")) for c in connections.snapshot() for sub in c["subscriptions"]}
    shared = ConsumerGroup.objects.filter(stream__deleted_at=None, queue_id__isnull=False)
    taken |= {
        (stream, group)
        for stream, group, queue_id in shared.values_list("stream__name", "name", "queue_id")
        if _delivers(queue_id)
    }
    found = read(lambda reader: reader.rows(GROUPS.behind, MOST_GROUPS))
    return [Behind(stream, group, lag) for stream, group, _, lag in found if may(stream) and (stream, group) not in taken]


def with_dead(principal: Principal) -> list[Behind]:
    """Shared groups with dead letters, and how many, by stream and name."""
    may = visible(principal, "stream")
    numbers = dead_numbers()
    queues = Queue.objects.filter(pk__in=list(numbers), deleted_at=None).exclude(stream=None)
    streams = {queue.pk: queue.stream or "" for queue in queues if may(queue.stream or "")}
    found = ConsumerGroup.objects.filter(queue_id__in=list(streams)) if streams else []
    return sorted(Behind(streams[group.queue_id or 0], group.name, numbers[group.queue_id or 0]) for group in found)
