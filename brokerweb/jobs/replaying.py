"""Replay: a range of a stream's records, filtered, copied to a queue, a stream or a topic, fast or at their own pace.

The order of each partition is kept; partitions are merged by the instants at which their records were appended. The range
is fixed when the job is made, so that a replay into its own stream ends.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from brokerweb.core.clock import from_datetime, from_wall
from brokerweb.core.errors import NotFound
from brokerweb.jobs import control, copying, matching
from brokerweb.jobs.chunk import Chunk
from brokerweb.jobs.control import NewJob
from brokerweb.jobs.copying import Target
from brokerweb.jobs.failures import Failed
from brokerweb.jobs.models import Job
from brokerweb.jobs.pace import STEP, Pace
from brokerweb.jobs.replay_request import Edge, ReplayRequest
from brokerweb.routing.messages import TopicMessage
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import reading
from brokerweb.streams.definitions import Definition, PartitionRow, find, load
from brokerweb.streams.records import StoredRecord

LOOKED_AT, LOOKED_AT_BYTES = 2_000, 8 * 1024 * 1024  # of records, in one commit: others wait for it
COPIES, COPIED_BYTES = 1_000, 4 * 1024 * 1024  # a topic makes many copies of one record
LEAST_READ, MOST_READ = 4, 250  # records of one partition at a time: of many, each is read anew by most chunks
Offsets = dict[int, int]


# Making one


def create(
    tx: Transaction, stream: str, asked: ReplayRequest, *, by: str, total: int | None = None, looked: int | None = None
) -> Job:
    """A job that copies what is in the range now. Raises NotFound, Invalid, OffsetOutOfRange.

    ``total`` is how many records that is, where the caller has counted them: compaction leaves gaps. ``looked``: it is an
    estimate by so many of them, which becomes better as the job goes on.
    """
    source = find(tx, stream)
    copying.target(tx, asked.to)
    begin, until = bounds(tx, source, asked)
    params = {
        "from": _shown(begin),
        "until": _shown(until),
        "filter": asked.filter,
        "speed": asked.speed,
        "routing_key": asked.routing_key,
    }
    cursor = {"stream": source.id, "next": _shown(begin)} | ({} if looked is None else {"estimated": looked})
    known = total_of(source, begin, until) if not asked.filter else None
    return control.create(
        tx, NewJob("replay", f"stream:{stream}", params, cursor, asked.to, None, total if known is None else known), by=by
    )


def bounds(reads: Reads, source: Definition, asked: ReplayRequest) -> tuple[Offsets, Offsets]:
    """Where each partition's range begins, and where it ends. Raises Invalid, OffsetOutOfRange."""
    begin = _offsets(reads, source, asked.begin, "/from")
    ends = _offsets(reads, source, asked.until, "/until")
    return begin, {number: max(ends[number], offset) for number, offset in begin.items()}


def _offsets(reads: Reads, source: Definition, edge: Edge, pointer: str) -> Offsets:
    """An offset in every partition; those that a request leaves out are at their ends."""
    if not isinstance(edge, Mapping):
        return {partition.number: reading.position(reads, partition, edge) for partition in source.partitions}
    for number, offset in edge.items():
        reading.check_range(source.partition(number, f"{pointer}/{number}"), offset)
    return {partition.number: edge.get(partition.number, partition.end) for partition in source.partitions}


def total_of(source: Definition, begin: Offsets, until: Offsets) -> int | None:
    """How many records there are, where that need not be counted: compaction leaves gaps."""
    total = 0
    for partition in source.partitions:
        first, beyond = begin[partition.number], until[partition.number]
        if partition.records == partition.end - partition.low or first == beyond:
            total += beyond - first
        elif (first, beyond) == (partition.low, partition.end):
            total += partition.records
        else:
            return None
    return total


def _shown(offsets: Offsets) -> dict[str, str]:
    return {str(number): str(offset) for number, offset in offsets.items()}


def _parsed(shown: Mapping[str, str]) -> Offsets:
    return {int(number): int(offset) for number, offset in shown.items()}


# A chunk


def replay_chunk(tx: Transaction, job: Job, limit: int) -> Chunk:
    """The next records of a replay."""
    stream = job.target.partition(":")[2]
    source = load(tx, stream)  # as it is now: what this transaction looked up before may have been trimmed since
    if source.id != job.cursor["stream"]:
        raise NotFound(f"Stream {stream} was deleted; the one of that name is another.")
    return _Replay(tx, job, source).chunk(limit)


class _Found(NamedTuple):
    """What one look along the partitions chose."""

    messages: list[TopicMessage]
    failed: int
    error: str | None
    due_at: int | None
    finished: bool
    items: list[Failed]


class _Replay:
    def __init__(self, tx: Transaction, job: Job, source: Definition) -> None:
        self.tx, self.job, self.source = tx, job, source
        self.next, self.until = _parsed(job.cursor["next"]), _parsed(job.params["until"])
        self.filter = matching.parse(job.params["filter"])
        speed = job.params["speed"]
        self.pace = None if speed is None else Pace(speed, job.cursor, due_at=from_wall(from_datetime(job.due_at)), now=tx.now)

    def chunk(self, limit: int) -> Chunk:
        trimmed = self._pass_trimmed()
        target = copying.target(self.tx, self.job.to or "")
        found = self._look(target, limit)
        if found.messages:
            target.store(found.messages, self.job.created_by)
        cursor = {
            "stream": self.source.id,
            "next": _shown(self.next),
            "trimmed": self.job.cursor.get("trimmed", 0) + trimmed,
            **(self.pace.cursor() if self.pace else {}),
        }
        lost = f"Retention removed {cursor['trimmed']} records before their turn." if trimmed else None
        error = found.error or lost
        failed = found.failed + trimmed
        total = self._refined(len(found.messages) + failed, cursor["trimmed"], finished=found.finished)
        if total is not None and not found.finished:
            cursor["estimated"] = self.job.cursor["estimated"]
        return Chunk(cursor, len(found.messages), failed, found.finished, found.due_at, error, found.items, total=total)

    def _refined(self, come: int, trimmed: int, *, finished: bool) -> int | None:
        """The total where it is an estimate: in what is left as many match as in what was looked at."""
        looked = self.job.cursor.get("estimated")
        if looked is None:
            return None
        chosen = self.job.done + self.job.failed + come
        passed, left = self._way()
        if finished or passed <= looked:  # what was looked at beforehand says more
            return chosen if finished else max(chosen, self.job.total or 0)
        return chosen + round(left * (chosen - trimmed) / max(1, passed - trimmed))

    def _way(self) -> tuple[int, int]:
        """How many offsets it has come, and how many are left."""
        now = sum(self.next.values())
        return now - sum(_parsed(self.job.params["from"]).values()), sum(self.until.values()) - now

    def _pass_trimmed(self) -> int:
        """Step over what retention took; how many offsets that were."""
        trimmed = 0
        for partition in self._partitions():
            beyond = min(partition.low, self.until[partition.number])
            if beyond > self.next[partition.number]:
                trimmed += beyond - self.next[partition.number]
                self.next[partition.number] = beyond
        return trimmed

    def _partitions(self) -> list[PartitionRow]:
        return [partition for partition in self.source.partitions if partition.number in self.next]

    def _merged(self) -> Iterator[StoredRecord]:
        partitions = self._partitions()
        # What is read of one partition and not reached is read again by the next chunk.
        at_a_time = max(LEAST_READ, MOST_READ // max(1, len(partitions)))
        parts = [self._records(partition, at_a_time) for partition in partitions]
        return heapq.merge(*parts, key=lambda record: (record.appended_at, record.partition))

    def _records(self, partition: PartitionRow, at_a_time: int) -> Iterator[StoredRecord]:
        offset, until = self.next[partition.number], self.until[partition.number]
        while offset < until:
            batch = reading.read(self.tx, partition, offset, min(at_a_time, until - offset))
            for record in batch.records:
                if record.offset >= until:
                    return
                yield record
            offset = max(batch.next, offset + 1)

    def _look(self, target: Target, limit: int) -> _Found:
        """Choose records up to ``limit``, moving ``next`` past everything looked at."""
        chosen = _Chosen(target, limit, self.job.target)
        for looked_at, record in enumerate(self._merged()):
            if looked_at >= LOOKED_AT or chosen.seen_bytes > LOOKED_AT_BYTES or chosen.full:
                return chosen.found()
            chosen.seen_bytes += len(record.body)
            matches = record.damaged or self.filter.matches(record)
            due = self.pace.due(record.appended_at) if self.pace else 0
            if matches and due > self.tx.now:
                return chosen.found(due_at=max(due, self.tx.now + STEP))
            if record.damaged:
                why = f"Record {record.partition}-{record.offset} is damaged: its checksum does not match."
                chosen.refuse(record, "damaged", why)
            elif matches:
                chosen.add(record, copying.copy_of(record, self.source.name, self.job.params["routing_key"]))
            self.next[record.partition] = record.offset + 1
        return chosen.found(finished=True)


class _Chosen:
    """The messages of one chunk, as they are gathered."""

    def __init__(self, target: Target, limit: int, stream: str) -> None:
        self.stream = stream
        self.target, self.limit = target, limit
        self.messages: list[TopicMessage] = []
        self.failed = self.copies = self.bytes = self.seen_bytes = 0
        self.items: list[Failed] = []
        self.error: str | None = None

    @property
    def full(self) -> bool:
        return len(self.messages) >= self.limit or self.copies >= COPIES or self.bytes >= COPIED_BYTES

    def add(self, record: StoredRecord, message: TopicMessage) -> None:
        try:
            copies = self.target.copies(message)
        except copying.REFUSALS as error:
            self.refuse(record, error.code, error.detail)
            return
        self.messages.append(message)
        self.copies += copies
        self.bytes += copies * len(message.message.body)

    def refuse(self, record: StoredRecord, code: str, why: str) -> None:
        """One record that is not copied."""
        self.failed += 1
        self.items.append(Failed(self.stream, f"{record.partition}-{record.offset}", code, why))
        self.error = why

    def found(self, *, due_at: int | None = None, finished: bool = False) -> _Found:
        return _Found(self.messages, self.failed, self.error, due_at, finished, self.items)
