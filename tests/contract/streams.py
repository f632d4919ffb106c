"""A stream to hold the contract against: verbs in a commit each, books checked after every step."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from django.db import DEFAULT_DB_ALIAS

from brokerweb.core import clock, events
from brokerweb.storage import reading as storage
from brokerweb.storage.transaction import transaction
from brokerweb.streams import control, duties, engine, reading
from brokerweb.streams.definitions import Definition, PartitionRow, load
from brokerweb.streams.models import MAX_OFFSET, OFFSET_BITS, LatestKey, Partition, Record, Stream, StreamDedup
from brokerweb.streams.records import Appended, Batch, NewRecord
from tests.queues.bench import Time


class Log:
    """One stream. ``limit`` is how many rows a duty may touch in one turn; ``outcome`` is what the last commit told."""

    def __init__(self, time: Time, alias: str = DEFAULT_DB_ALIAS, *, name: str = "events", **settings: Any) -> None:
        self.time, self.alias, self.name = time, alias, name
        self.limit = duties.LIMIT
        self.outcome = events.Outcome()
        clock.install(time)
        self.declare(**settings)

    def do(self, verb: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a verb in a commit of its own; whatever becomes of it, the books are right afterwards."""
        try:
            with transaction(self.alias) as tx:
                result = verb(tx, *args, **kwargs)
            self.outcome = tx.outcome
            return result
        finally:
            check_books(self.alias)

    def declare(self, **settings: Any) -> Stream:
        return self.do(control.declare, self.name, settings)[0]

    def delete(self) -> None:
        self.do(control.delete, self.name)

    # Append

    def append_all(self, *records: NewRecord, **options: Any) -> list[Appended]:
        return self.do(engine.append, self.name, records, **options)

    def append(self, *bodies: object, expected_offset: int | None = None, **fields: Any) -> list[Appended]:
        return self.append_all(*(NewRecord(str(b).encode(), **fields) for b in bodies), expected_offset=expected_offset)

    def keyed(self, *keys: str | None) -> list[int]:
        """A record each in partition 0, whose body is its offset; the offsets."""
        first = self.partition().end
        records = [NewRecord(str(first + i).encode(), key=key, partition=0) for i, key in enumerate(keys)]
        return [appended.offset for appended in self.append_all(*records)]

    # Read

    @property
    def definition(self) -> Definition:
        return storage.read(load, self.name, using=self.alias)

    def partition(self, number: int = 0) -> PartitionRow:
        return self.definition.partitions[number]

    def read(self, offset: int, number: int = 0, *, limit: int = 1000, seen: PartitionRow | None = None) -> Batch:
        return storage.read(reading.read, seen or self.partition(number), offset, limit, using=self.alias)

    def position(self, where: Any, number: int = 0) -> int:
        return storage.read(reading.position, self.partition(number), where, using=self.alias)

    def bodies(self, number: int = 0) -> list[str]:
        """All there is, read as a client reads it: batch after batch."""
        partition = self.partition(number)
        offset, found = partition.low, list[str]()
        while offset < partition.end:
            batch = self.read(offset, number)
            found += [record.body.decode() for record in batch.records]
            offset = batch.next
        return found

    def offsets(self, number: int = 0) -> list[int]:
        base = self.partition(number).id << OFFSET_BITS
        rows = Record.objects.using(self.alias).filter(pk__gte=base, pk__lte=base | MAX_OFFSET).order_by("pk")
        return [pk & MAX_OFFSET for pk in rows.values_list("pk", flat=True)]

    # Time and duties

    def duty(self, verb: Callable[..., int]) -> int:
        """Run a duty until it has nothing left to do; in how many turns."""
        turns = 1
        while self.do(verb, self.limit):
            turns += 1
        return turns

    def retain(self) -> int:
        return self.duty(duties.retain)

    def compact(self) -> int:
        return self.duty(duties.compact)

    def sweep(self) -> int:
        return self.duty(duties.sweep_deleted)


# The books


def check_books(alias: str = DEFAULT_DB_ALIAS) -> None:
    """Counts equal a recount, every record lies within its partition's bounds, instants never go back, nothing is orphaned."""
    partitions = {p.pk: p for p in Partition.objects.using(alias)}
    deleted = set(Stream.objects.using(alias).exclude(deleted_at=None).values_list("pk", flat=True))
    held: defaultdict[int, list[Record]] = defaultdict(list)
    for record in Record.objects.using(alias).order_by("pk"):
        held[record.pk >> OFFSET_BITS].append(record)
    assert held.keys() <= partitions.keys(), "records of no partition"
    for pk, partition in partitions.items():
        if partition.stream_id not in deleted:
            _check_partition(partition, held[pk])
    streams = set(Stream.objects.using(alias).values_list("pk", flat=True))
    assert {p.stream_id for p in partitions.values()} <= streams
    assert set(StreamDedup.objects.using(alias).values_list("stream_id", flat=True)) <= streams
    _check_latest(alias, partitions)


def _check_partition(partition: Partition, records: list[Record]) -> None:
    assert (partition.records, partition.bytes) == (len(records), sum(weight(record) for record in records))
    offsets = [record.pk & MAX_OFFSET for record in records]
    assert partition.low_offset <= partition.next_offset
    assert all(partition.low_offset <= offset < partition.next_offset for offset in offsets)
    instants = [record.appended_at for record in records]
    assert instants == sorted(instants)


def _check_latest(alias: str, partitions: dict[int, Partition]) -> None:
    """What compaction remembers are the keys' newest records as far as it has come; each is there."""
    for latest in LatestKey.objects.using(alias):
        assert latest.partition_id in partitions
    deleted = set(Stream.objects.using(alias).exclude(deleted_at=None).values_list("pk", flat=True))
    for partition in partitions.values():
        if partition.stream_id in deleted:
            continue
        remembered = LatestKey.objects.using(alias).filter(partition_id=partition.pk)
        keys = Counter(latest.key for latest in remembered)
        assert all(n == 1 for n in keys.values())
        ids = [partition.pk << OFFSET_BITS | latest.offset for latest in remembered]
        assert Record.objects.using(alias).filter(pk__in=ids).count() == len(ids)


def weight(record: Record) -> int:
    """What a record counts for in bytes: body, key and headers as they are stored."""
    return len(bytes(record.body)) + len((record.key or "").encode()) + len((record.headers or "").encode())
