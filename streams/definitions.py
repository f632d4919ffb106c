"""A stream's settings and partitions as the verbs need them, looked up once per transaction or read."""

from __future__ import annotations

from typing import Any, NamedTuple

from brokerweb.core.errors import Invalid, NotFound
from brokerweb.storage.locks import Lock, number_of
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.models import OFFSET_BITS

Q = Statements("brokerweb.streams")


class PartitionRow(NamedTuple):
    """A partition, of ``partitions`` and ``partition``; ``places`` and ``cursors`` begin with it. ``end`` is the next offset."""

    id: int
    number: int
    end: int
    low: int
    last_at: int
    records: int
    bytes: int

    def record_id(self, offset: int) -> int:
        return self.id << OFFSET_BITS | offset


class Definition(NamedTuple):
    """The columns of ``find_stream``, and the partitions by number."""

    id: int
    name: str
    retention_age: float | None
    retention_bytes: int | None
    retention_records: int | None
    compact: bool
    dedup_window: float
    max_body_bytes: int
    search: str | None  # the declared fields; None for none
    partitions: tuple[PartitionRow, ...]

    def partition(self, number: int, pointer: str = "/partition") -> PartitionRow:
        """The partition of that number. Raises Invalid."""
        if not 0 <= number < len(self.partitions):
            raise Invalid.at(pointer, f"stream {self.name} has the partitions 0 to {len(self.partitions) - 1}")
        return self.partitions[number]


def load(reads: Reads, name: str) -> Definition:
    """The stream of that name, read now. Raises NotFound."""
    row = reads.row(Q.find_stream, name)
    if row is None:
        raise NotFound(f"There is no stream {name}.")
    return _with_partitions(reads, *row)


def load_by_id(reads: Reads, stream_id: int) -> Definition | None:
    """The stream of that id; None when it was deleted, or never was."""
    row = reads.row(Q.find_stream_by_id, stream_id)
    return None if row is None else _with_partitions(reads, *row)


def find(tx: Transaction, name: str) -> Definition:
    """The stream of that name, read once a transaction; its partitions' bounds are of that moment. Raises NotFound."""
    key = ("stream", name)
    if key not in tx.memo:
        tx.share(Lock.STREAM, number_of(name))  # until the commit it is not deleted, and declares no other fields
        tx.memo[key] = load(tx, name)
    return tx.memo[key]


def forget(tx: Transaction, name: str) -> None:
    """The stream changed in this transaction: it is read again when it is next asked for."""
    tx.memo.pop(("stream", name), None)


def _with_partitions(reads: Reads, stream_id: int, *rest: Any) -> Definition:
    partitions = tuple(PartitionRow(*row) for row in reads.rows(Q.partitions, stream_id))
    return Definition._make((stream_id, *rest, partitions))
