"""Append: all records or none, per partition in order, offsets without gaps, allocated in the appending transaction."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from msgspec.json import encode

from brokerweb.core import events, remembered
from brokerweb.core.checksums import checksums
from brokerweb.core.clock import seconds
from brokerweb.core.errors import Conflict, TooLarge
from brokerweb.storage import disk
from brokerweb.storage.search_fields import Carried
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields
from brokerweb.streams.definitions import Definition, PartitionRow, Q, find, forget
from brokerweb.streams.models import OFFSET_BITS
from brokerweb.streams.partitioner import partition_of
from brokerweb.streams.records import Appended, NewRecord, StoredRecord

__all__ = ["append", "find"]

_turns: dict[int, int] = {}  # stream id -> how many records without key it had here
_turns_lock = threading.Lock()
remembered.of_run(_turns.clear)


def append(
    tx: Transaction,
    stream: str,
    records: Sequence[NewRecord],
    *,
    expected_offset: int | None = None,
    publisher: str | None = None,
    route: str | None = None,
) -> list[Appended]:
    """Append records. Raises NotFound, TooLarge, Invalid, Conflict, StoreFull before anything is written.

    With ``expected_offset`` all must go to one partition, whose end is just that.
    """
    target = find(tx, stream)
    _check(target, records)
    known = _remembered(tx, target, records)
    if known:
        tx.vouch()
    fresh = [r for r in _first_of_each(records) if r.dedup_id is None or r.dedup_id not in known]
    places = _places(target, fresh)
    if expected_offset is not None and fresh:
        _check_expected(target, places, expected_offset)
    disk.of().take(tx, fresh)
    stored = _Store(tx, target, publisher, route, expected_offset).all(fresh, places) if fresh else []
    if stored:
        source, sources = (publisher, route, "stream", target.id), tx.outcome.sources
        sources[source] = sources.get(source, 0) + len(stored)
    return _answers(tx, target, records, known, stored)


def _check(target: Definition, records: Sequence[NewRecord]) -> None:
    """Sizes and partitions of all of them, repeats too: errors name their places in the request."""
    limit = target.max_body_bytes
    for i, record in enumerate(records):
        if record.partition is not None:
            target.partition(record.partition, f"/records/{i}/partition")
        if len(record.body) > limit:
            detail = f"The body has {len(record.body)} bytes; stream {target.name} takes {limit}."
            raise TooLarge(detail, errors=[{"pointer": f"/records/{i}/body", "detail": detail}])


def _remembered(tx: Transaction, target: Definition, records: Sequence[NewRecord]) -> dict[str, Appended]:
    wanted = sorted({record.dedup_id for record in records if record.dedup_id is not None})
    if not wanted:
        return {}
    if tx.dialect.single_writer:
        found = [
            (dedup_id, *row) for dedup_id in wanted if (row := tx.row(Q.remembered, target.id, dedup_id, tx.now)) is not None
        ]
    else:
        found = tx.rows(Q.remembered_of, target.id, encode(wanted).decode(), tx.now)
    return {dedup_id: Appended(partition, offset, True) for dedup_id, partition, offset in found}


def _first_of_each(records: Sequence[NewRecord]) -> list[NewRecord]:
    """The records without repeats of a dedup_id among themselves."""
    seen: set[str] = set()
    first = []
    for record in records:
        if record.dedup_id is not None:
            if record.dedup_id in seen:
                continue
            seen.add(record.dedup_id)
        first.append(record)
    return first


def _places(target: Definition, records: Sequence[NewRecord]) -> list[int]:
    """The partition's number of each record."""
    n = len(target.partitions)
    if n == 1 and all(record.partition is None for record in records):
        return [0] * len(records)
    turn = _take_turns(target, sum(record.key is None and record.partition is None for record in records))
    places = []
    for record in records:
        if record.partition is not None:
            places.append(record.partition)
        elif record.key is not None:
            places.append(partition_of(record.key, n))
        else:
            places.append(turn % n)
            turn += 1
    return places


def _take_turns(target: Definition, n: int) -> int:
    with _turns_lock:
        turn = _turns.setdefault(target.id, sum(partition.end for partition in target.partitions))
        _turns[target.id] = turn + n
    return turn


def _check_expected(target: Definition, places: list[int], expected: int) -> None:
    if len(set(places)) > 1:
        raise Conflict("With expected_offset all records must go to one partition.")
    _check_end(places[0], target.partitions[places[0]].end, expected)


def _check_end(number: int, end: int, expected: int) -> None:
    if end != expected:
        raise Conflict(f"The partition ends at {end}, not at {expected}.", partition=number, end=str(end))


class _Store:
    """Stores the records of one append."""

    def __init__(
        self, tx: Transaction, target: Definition, publisher: str | None, route: str | None, expected: int | None
    ) -> None:
        self.tx, self.target, self.publisher, self.route, self.expected = tx, target, publisher, route, expected

    def all(self, records: Sequence[NewRecord], places: list[int]) -> list[Appended]:
        """In order of the partitions' ids, so that two appends cannot wait for each other."""
        answers: list[Appended | None] = [None] * len(records)
        for number in sorted(set(places)):
            mine = [i for i, place in enumerate(places) if place == number]
            base = self._partition(self.target.partitions[number], [records[i] for i in mine])
            for n, i in enumerate(mine):
                answers[i] = Appended(number, base + n, False)
        forget(self.tx, self.target.name)
        self.tx.outcome.streams.add(self.target.id)
        self.tx.outcome.stream_event(events.APPENDED, self.target.id, len(records))
        return [answer for answer in answers if answer is not None]

    def _partition(self, partition: PartitionRow, records: list[NewRecord]) -> int:
        """The offset of the first."""
        tx = self.tx
        base, at = self._advance(partition, len(records), sum(record.size for record in records))
        first = partition.record_id(base)
        sums = enumerate(checksums(range(first, first + len(records)), records))
        tx.insert(Q.insert, list(zip(*(self._row(first + i, at, records[i], checksum) for i, checksum in sums), strict=True)))
        if self.target.search is not None:
            carried = (Carried(first + i, r.headers, r.binary, r.body) for i, r in enumerate(records))
            fields.index(tx, self.target.id, carried)
        stored = [_stored(partition.number, base + i, at, record) for i, record in enumerate(records)]
        tx.outcome.appended.append((partition.id, base, stored))
        return base

    def _advance(self, partition: PartitionRow, n: int, size: int) -> tuple[int, int]:
        """The first of the offsets, and the records' instant. The partition's row is the lock of its appenders."""
        tx = self.tx
        if tx.dialect.single_writer:  # it is as it was looked up
            at = max(tx.wall, partition.last_at)
            tx.change(Q.advance, partition.id, n, size, at)
            return partition.end, at
        [(base, at)] = tx.returning(Q.take_offsets, partition.id, n, size, tx.wall)
        if self.expected is not None:
            _check_end(partition.number, base, self.expected)
        return base, at

    def _row(self, id: int, at: int, r: NewRecord, checksum: int) -> tuple[Any, ...]:
        about = (r.key, r.headers, r.content_type, r.binary, r.reply_to, r.correlation_id)
        return (id, id >> OFFSET_BITS, at, *about, self.publisher, self.route, checksum, r.body)


def _stored(partition: int, offset: int, at: int, r: NewRecord) -> StoredRecord:
    return StoredRecord(
        partition, offset, at, r.key, r.headers, r.content_type, r.binary, r.reply_to, r.correlation_id, r.body
    )  # fmt: skip


def _answers(
    tx: Transaction, target: Definition, records: Sequence[NewRecord], known: dict[str, Appended], stored: list[Appended]
) -> list[Appended]:
    """An answer for every record, in order; what is new under a dedup_id is remembered."""
    fresh, answers, new = iter(stored), [], dict[str, Appended]()
    for record in records:
        dedup_id = record.dedup_id
        if dedup_id is None:
            answers.append(next(fresh))
        elif dedup_id in known:
            answers.append(known[dedup_id])
        elif dedup_id in new:
            answers.append(new[dedup_id]._replace(duplicate=True))
        else:
            new[dedup_id] = answer = next(fresh)
            answers.append(answer)
    if new:
        until = tx.now + seconds(target.dedup_window)
        rows = [(target.id, d, a.partition, a.offset, until, tx.now) for d, a in sorted(new.items())]
        tx.exactly(len(rows), tx.change_many(Q.remember, rows))
    return answers
