"""Read a stream: by offset, from either end, or from an instant. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from brokerweb.core import clock
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.checksums import intact
from brokerweb.core.errors import NotFound, OffsetOutOfRange
from brokerweb.storage.reading import Reads
from brokerweb.streams.definitions import Definition, PartitionRow, Q, load
from brokerweb.streams.models import MAX_OFFSET
from brokerweb.streams.records import Batch, StoredRecord

MAX_RECORDS = 1000  # of one batch

DELETED = "The stream was deleted."

Where = Literal["earliest", "latest"] | int  # an int is an instant


def parse_where(value: Any) -> Where:
    """``earliest``, ``latest``, or the instant that a text names. Raises ValueError."""
    if value == "earliest" or value == "latest":
        return value
    try:
        return clock.parse_rfc3339(value)
    except (TypeError, OverflowError) as error:
        raise ValueError("neither an end nor an instant") from error


def positions(reads: Reads, stream: str, where: Where) -> tuple[Definition, dict[int, int]]:
    """The offset in each partition, by number. Raises NotFound."""
    found = load(reads, stream)
    return found, {partition.number: position(reads, partition, where) for partition in found.partitions}


def position(reads: Reads, partition: PartitionRow, where: Where) -> int:
    """The offset of an end, or of the first record appended at an instant or later."""
    if where == "earliest":
        return partition.low
    if where == "latest":
        return partition.end
    return _at(reads, partition, where)


def _at(reads: Reads, partition: PartitionRow, instant: int) -> int:
    """A binary search: within a partition instants never go back. Gaps, which compaction leaves, are stepped over."""
    low, high = partition.low, partition.end
    while low < high:
        middle = (low + high) // 2
        id, at = reads.row(Q.instant_at, partition.record_id(middle), partition.record_id(high)) or (None, None)
        if id is None or at >= instant:
            high = middle
        else:
            low = (id & MAX_OFFSET) + 1
    return low


def read(reads: Reads, partition: PartitionRow, offset: int, limit: int = MAX_RECORDS) -> Batch:
    """Records from ``offset`` on, as many as fit. Raises OffsetOutOfRange with ``low`` and ``end``, and NotFound when the
    stream was deleted meanwhile.

    ``partition`` must have been read after the caller last saw its bounds. Where retention passes by, the reader is told:
    a batch never begins behind a gap that retention made.
    """
    _check(reads, partition, offset)
    records: list[StoredRecord] = []
    size = 0
    beyond = partition.record_id(partition.end)
    for row in reads.scan(Q.records, partition.record_id(offset), beyond, min(limit, MAX_RECORDS)):
        record = _record(partition.number, row)
        size += len(record.body)
        if records and size > ANSWER_BYTES:
            break
        records.append(record)
    following = records[-1].offset + 1 if records else partition.end
    if not records or records[0].offset > offset:
        _check(reads, _again(reads, partition), offset)
    return Batch(records, following, partition.low, partition.end)


def _again(reads: Reads, partition: PartitionRow) -> PartitionRow:
    row = reads.row(Q.partition, partition.id)
    return PartitionRow(*row) if row else partition._replace(low=partition.end)


def _check(reads: Reads, partition: PartitionRow, offset: int) -> None:
    """``check_range``, but a deleted stream, whose records are all gone, is no matter of offsets. Raises NotFound."""
    try:
        check_range(partition, offset)
    except OffsetOutOfRange:
        if reads.row(Q.is_live, partition.id) is None:
            raise NotFound(DELETED) from None
        raise


def check_range(partition: PartitionRow, offset: int) -> None:
    """Raises OffsetOutOfRange for an offset below the oldest record there is, or beyond the end."""
    if not partition.low <= offset <= partition.end:
        side = "is gone: the oldest is" if offset < partition.low else "is not there yet: the next is"
        bound = partition.low if offset < partition.low else partition.end
        detail = f"Offset {offset} of partition {partition.number} {side} {bound}."
        raise OffsetOutOfRange(detail, partition=partition.number, low=str(partition.low), end=str(partition.end))


def _record(number: int, row: tuple[Any, ...]) -> StoredRecord:
    """The record of a row; of one that is damaged nothing but its offset and instant goes on."""
    id, at, key, headers, content_type, binary, reply_to, correlation_id, redacted, stored, body = row
    offset = id & MAX_OFFSET
    record = StoredRecord(number, offset, at, key, headers, content_type, bool(binary), reply_to, correlation_id, body)
    if intact(id, record, stored):
        record.redacted = redacted
        return record
    return StoredRecord(number, offset, at, None, None, None, False, None, None, b"", damaged=True)


def read_partition(reads: Reads, partition_id: int, offset: int, limit: int = MAX_RECORDS) -> Batch:
    """``read`` by the partition's id. Raises OffsetOutOfRange, and NotFound when the stream was deleted."""
    row = reads.row(Q.partition, partition_id)
    if row is None:
        raise NotFound(DELETED)
    return read(reads, PartitionRow(*row), offset, limit)


def end_of(reads: Reads, partition_id: int) -> int:
    """The next offset of a partition; 0 for one that is gone."""
    row = reads.row(Q.partition, partition_id)
    return PartitionRow(*row).end if row else 0


def ends_among(reads: Reads, partition_ids: Iterable[int]) -> list[tuple[int, int]]:
    """The next offset of each of these partitions that is there."""
    return reads.rows(Q.ends_among, _ids(partition_ids))


def sizes_among(reads: Reads, stream_ids: Iterable[int]) -> list[tuple[int, int]]:
    """How many partitions each of these streams has that is there."""
    return reads.rows(Q.sizes_among, _ids(stream_ids))


def _ids(ids: Iterable[int]) -> str:
    return f"[{','.join(map(str, ids))}]"
