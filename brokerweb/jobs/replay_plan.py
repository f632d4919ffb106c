"""What a replay would copy, before it does: by partition from where to where and how many records, and some of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.jobs import copying, matching, replaying
from brokerweb.jobs.matching import RecordFilter
from brokerweb.jobs.replay_request import ReplayRequest
from brokerweb.storage.reading import Reads
from brokerweb.streams import reading
from brokerweb.streams.definitions import PartitionRow, load
from brokerweb.streams.groups import Q
from brokerweb.streams.records import StoredRecord

SAMPLES = 5
LOOKED_AT = 20_000  # records that a filter is held against; of more it is known only how many there are at most
LOOKED_AT_BYTES = 64 * 1024 * 1024  # of them, at most
COUNTED = 2_000_000  # records that are counted one by one, where compaction has left gaps
BATCH = 250


class Part(NamedTuple):
    """A partition's range, and how many records of it would be copied: exactly, or at most."""

    partition: int
    begin: int
    until: int
    records: int
    exact: bool


class ReplayPlan(NamedTuple):
    """What would be copied."""

    parts: list[Part]
    samples: list[StoredRecord]

    @property
    def exact(self) -> bool:
        return all(part.exact for part in self.parts)

    @property
    def records(self) -> int:
        return sum(part.records for part in self.parts)

    def seen_by(self, principal: Principal, stream: str, veil: Veil) -> ReplayPlan:
        """As somebody sees it: with nothing of the records for who may not browse them."""
        shown = [veil.over_record(record) for record in self.samples] if principal.may("browse", "stream", stream) else []
        return self._replace(samples=shown)


class Counted(NamedTuple):
    """A request, its range fixed where it was looked at, and how many records that is; estimated by the first ``looked``."""

    asked: ReplayRequest
    total: int | None = None
    looked: int | None = None


def allowed(principal: Principal, stream: str, asked: ReplayRequest) -> Veil:
    """What of the records the asker does not see. Raises Forbidden where a replay would tell it: by how many a filter finds, or
    by taking them to where less is masked.
    """
    veil = masks.veil(principal, "stream", stream)
    if asked.filter:
        veil.require_all("To replay what a filter finds")
    masks.require_no_less(principal, ("stream", stream), asked.destination())
    return veil


def plan(reads: Reads, stream: str, asked: ReplayRequest) -> ReplayPlan:
    """The plan of a replay. Raises what the replay itself would: NotFound, Invalid, OffsetOutOfRange."""
    source = load(reads, stream)
    copying.check(reads, asked.to)
    begin, until = replaying.bounds(reads, source, asked)
    chosen = matching.parse(asked.filter) if asked.filter else None
    parts, samples = [], list[StoredRecord]()
    room, room_bytes = LOOKED_AT, LOOKED_AT_BYTES
    for partition in source.partitions:
        low, high = max(begin[partition.number], partition.low), until[partition.number]
        if chosen is None:
            count, exact = _counted(reads, partition, low, high)
            for record in _records(reads, partition, low, high) if len(samples) < SAMPLES else ():
                if len(samples) == SAMPLES:
                    break
                samples.append(record)
        else:
            look = _Look(chosen, room, room_bytes)
            exact = look.through(_records(reads, partition, low, high))
            count = look.found if exact else _counted(reads, partition, low, high)[0]
            samples += look.samples[: SAMPLES - len(samples)]
            room, room_bytes = room - look.seen, room_bytes - look.bytes
        parts.append(Part(partition.number, begin[partition.number], high, count, exact))
    return ReplayPlan(parts, _fitting(samples))


def counted(reads: Reads, stream: str, asked: ReplayRequest) -> Counted:
    """How many records it is, where that must be looked at, outside of commits. Raises as ``plan``."""
    source = load(reads, stream)
    begin, until = replaying.bounds(reads, source, asked)
    if not asked.filter and replaying.total_of(source, begin, until) is not None:
        return Counted(asked)
    fixed = asked._replace(begin=begin, until=until)
    spans = [(p, max(begin[p.number], p.low), until[p.number]) for p in source.partitions]
    if asked.filter:
        return _estimated(reads, fixed, spans)
    parts = [_counted(reads, *span) for span in spans]
    return Counted(fixed, sum(n for n, _ in parts) if all(exact for _, exact in parts) else None)


def _estimated(reads: Reads, asked: ReplayRequest, spans: Sequence[tuple[PartitionRow, int, int]]) -> Counted:
    """By the first records of every partition; exact where that is all of them."""
    chosen, total, looked, exact = matching.parse(asked.filter), 0, 0, True
    share = max(1, LOOKED_AT // len(spans)), LOOKED_AT_BYTES // len(spans)
    for partition, low, high in spans:
        look = _Look(chosen, *share)
        if look.through(_records(reads, partition, low, high)):
            total += look.found + look.damaged
        elif look.seen:
            exact = False
            total += round(_counted(reads, partition, low, high)[0] * (look.found + look.damaged) / look.seen)
        looked += look.seen
    return Counted(asked, total, None if exact else looked)


def _counted(reads: Reads, partition: PartitionRow, low: int, high: int) -> tuple[int, bool]:
    """How many records lie between, and whether that is exact: compaction leaves gaps."""
    between = max(0, high - low)
    if between == 0 or partition.records == partition.end - partition.low:
        return between, True
    if (low, high) == (partition.low, partition.end):
        return partition.records, True
    if between > COUNTED:
        return min(between, partition.records), False
    return reads.value(Q.records_between, partition.record_id(low), partition.record_id(high)), True


def _records(reads: Reads, partition: PartitionRow, low: int, high: int) -> Iterator[StoredRecord]:
    while low < high:
        batch = reading.read(reads, partition, low, min(BATCH, high - low))
        for record in batch.records:
            if record.offset >= high:
                return
            yield record
        low = max(batch.next, low + 1)


class _Look:
    """The first records of a range, held against a filter."""

    def __init__(self, chosen: RecordFilter, room: int, room_bytes: int) -> None:
        self.chosen, self.room, self.room_bytes = chosen, room, room_bytes
        self.seen = self.found = self.damaged = self.bytes = 0
        self.samples: list[StoredRecord] = []

    def through(self, records: Iterator[StoredRecord]) -> bool:
        """Whether it came to the end."""
        for record in records:
            if self.seen >= self.room or self.bytes >= self.room_bytes:
                return False
            self.seen += 1
            self.bytes += len(record.body)
            self.damaged += record.damaged
            if not record.damaged and self.chosen.matches(record):
                self.found += 1
                if len(self.samples) < SAMPLES:
                    self.samples.append(record)
        return True


def _fitting(samples: list[StoredRecord]) -> list[StoredRecord]:
    """As many as fit one answer; a larger one goes by itself."""
    size, kept = 0, list[StoredRecord]()
    for record in samples:
        size += len(record.body)
        if kept and size > ANSWER_BYTES:
            break
        kept.append(record)
    return kept
