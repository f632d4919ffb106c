"""Browsing a stream: a page of records up or down from a place, and one record. Looking changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from django.db.models import BinaryField, QuerySet
from django.db.models.functions import Length, Substr

from brokerweb.answers.verdicts.words import names
from brokerweb.console import instants
from brokerweb.console.filters import LIMIT, RecordsOf
from brokerweb.console.listing import Asked
from brokerweb.core.batches import ANSWER_BYTES, fitting
from brokerweb.core.errors import NotFound
from brokerweb.storage.reading import lenient, read
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.models import MAX_OFFSET, ConsumerGroup, GroupPartition, Record

EXCERPT = 160  # bytes of a body that a list reads


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Some records of a partition as they are shown, and the queries of the older and the newer ones."""

    partition: PartitionRow
    items: Sequence[Record]
    older: str | None
    newer: str | None


def page(stream: str, asked: RecordsOf) -> RecordPage:
    """Raises NotFound, Invalid for a partition or instant that is none, and OffsetOutOfRange with ``low`` and ``end``."""
    partition = find(stream, asked.partition)
    if asked.newest_first:
        before = partition.end if asked.before is None else asked.before
        reading.check_range(partition, before)
        items = _listed(_between(partition, partition.low, before).order_by("-id"))
        bounds = (offset_of(items[-1]), offset_of(items[0]) + 1) if items else (before, before)
    else:
        begin = _begin(partition, asked)
        items = _listed(_between(partition, begin, partition.end).order_by("id"))
        bounds = (offset_of(items[0]), offset_of(items[-1]) + 1) if items else (begin, partition.end)
        if bounds[0] > begin:  # compaction left a gap there; or retention has passed by, which must be told
            reading.check_range(find(stream, asked.partition), begin)
    return RecordPage(partition, items, _older(partition, asked, bounds[0]), _newer(partition, asked, bounds[1]))


def pinned(wanted: Asked, asked: RecordsOf, found: RecordPage) -> Asked:
    """The list's headings sort these very records, also when there are newer ones by then."""
    if not asked.newest_first or not found.items:
        return wanted
    return replace(wanted, given={**wanted.given, "before": str(offset_of(found.items[0]) + 1)})


def find(stream: str, number: int) -> PartitionRow:
    """The partition as it is now. Raises NotFound, Invalid."""
    return read(load, stream).partition(number)


def _begin(partition: PartitionRow, asked: RecordsOf) -> int:
    if asked.begin == "offset":
        reading.check_range(partition, asked.offset or 0)
        return asked.offset or 0
    where: reading.Where = "earliest" if asked.begin == "earliest" else instants.parse(asked.time, "/time")
    return read(reading.position, partition, where)


def _between(partition: PartitionRow, low: int, end: int) -> QuerySet[Record]:
    return Record.objects.filter(id__gte=partition.record_id(low), id__lt=partition.record_id(end))


def _listed(found: QuerySet[Record]) -> list[Record]:
    """A page of them, of bodies only the beginning: the whole of fifty may be megabytes. As many as fit an answer are read
    whole, to see whether they are damaged; of the others it is seen on their own page."""
    beginning = Substr("body", 1, EXCERPT, output_field=BinaryField())
    with lenient():
        items: list[Any] = list(found.defer("body").annotate(beginning=beginning, size=Length("body"))[:LIMIT])
        seen = items[: fitting((item.size for item in items), ANSWER_BYTES)]
        damaged = {record.pk for record in Record.objects.filter(pk__in=[item.pk for item in seen]) if not record.intact}
    for item in items:
        item.damaged = item.pk in damaged
    return items


def _older(partition: PartitionRow, asked: RecordsOf, lowest: int) -> str | None:
    below = list(_between(partition, partition.low, lowest).order_by("-id").values_list("id", flat=True)[:LIMIT])
    if not below:
        return None
    return asked.downwards(lowest) if asked.newest_first else asked.upwards(below[-1] & MAX_OFFSET)


def _newer(partition: PartitionRow, asked: RecordsOf, beyond: int) -> str | None:
    above = list(_between(partition, beyond, partition.end).order_by("id").values_list("id", flat=True)[: LIMIT + 1])
    if not above:
        return None
    if not asked.newest_first:
        return asked.upwards(beyond)
    return asked.downwards(above[LIMIT] & MAX_OFFSET if len(above) > LIMIT else None)


def offset_of(record: Record) -> int:
    return record.pk & MAX_OFFSET


# One record


@dataclass(frozen=True, slots=True)
class Found:
    """One record, and the offsets of its neighbours."""

    partition: PartitionRow
    record: Record
    previous: int | None
    next: int | None

    @property
    def offset(self) -> int:
        return offset_of(self.record)


class Readers(NamedTuple):
    """Groups by whether a record lies behind them or before them, as a sentence names them, and how many these are."""

    behind: str
    past: int
    ahead: str
    before: int


def readers(stream_id: int, partition_id: int, offset: int) -> Readers:
    """Who has read a record; of a shared group who has been handed it."""
    groups = dict(ConsumerGroup.objects.filter(stream_id=stream_id).order_by("name").values_list("pk", "name"))
    places = dict(
        GroupPartition.objects.filter(partition_id=partition_id, group_id__in=list(groups)).values_list("group_id", "committed")
    )
    past = [name for pk, name in groups.items() if places.get(pk, 0) > offset]
    before = [name for pk, name in groups.items() if places.get(pk, 0) <= offset]
    return Readers(names(past), len(past), names(before), len(before))


def one(stream: str, number: int, offset: int) -> Found:
    """Raises NotFound, also for a record that compaction took; Invalid; OffsetOutOfRange with ``low`` and ``end``."""
    partition = find(stream, number)
    with lenient():
        record = Record.objects.filter(pk=partition.record_id(min(offset, MAX_OFFSET))).first()
    if record is None:
        now, where = find(stream, number), f"Offset {offset} of partition {number}"
        reading.check_range(now, offset)
        if offset == now.end:
            raise NotFound(f"{where} is the next one: nothing is there yet.")
        raise NotFound(f"{where} is gone: compaction keeps the last record of each key.")
    before = _between(partition, partition.low, offset).order_by("-id").values_list("id", flat=True).first()
    after = _between(partition, offset + 1, partition.end).order_by("id").values_list("id", flat=True).first()
    return Found(partition, record, *(None if id is None else id & MAX_OFFSET for id in (before, after)))
