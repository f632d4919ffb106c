"""What pages show of streams: sums over partitions, and rates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.db.models import Count, Sum

from brokerweb.console.filters import LIMIT, NameFilter
from brokerweb.console.rights import visible
from brokerweb.console.rows import Sizes, StreamRow
from brokerweb.identity.principal import Principal
from brokerweb.streams import control, stats
from brokerweb.streams.models import ConsumerGroup, Partition, Stream

PARTITIONS = 100  # of one stream on one page
EMPTY = Sizes(0, 0, 0, 0, 0)


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
