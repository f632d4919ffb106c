"""A stream against a reference model: whatever is appended, kept, read and grown, in whatever order, no record is skipped.

Readers are the point: each remembers where it is, and every record of every partition reaches it in order, or it is told
that retention took it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

import pytest
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from brokerweb.core.errors import Conflict, OffsetOutOfRange
from brokerweb.streams import duties
from brokerweb.streams.partitioner import partition_of
from brokerweb.streams.records import Appended, NewRecord
from tests.contract.streams import Log
from tests.queues.bench import Time

RUNS, STEPS = int(os.environ.get("BROKERWEB_MODEL_RUNS", "30")), 40
KEYS = ["a", "b", "c", None, None]


@dataclass
class Kept:
    """A record as the model has it."""

    offset: int
    at: int
    key: str | None
    size: int


@dataclass
class Part:
    """A partition: ``kept`` in order, ``low`` as retention left it."""

    kept: list[Kept] = field(default_factory=list)
    low: int = 0
    end: int = 0


class StreamModel(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.parts: list[Part] = [Part()]
        self.limits: dict[str, float | None] = {"retention_age": None, "retention_bytes": None, "retention_records": None}
        self.compacted = False
        self.known: dict[str, tuple[int, Appended]] = {}
        self.readers: dict[tuple[int, int], int] = {}  # (reader, partition) -> where it is

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)

    @initialize(partitions=st.integers(1, 2))
    def declare(self, partitions: int) -> None:
        self.log = Log(Time(), dedup_window=20, partitions=partitions)
        self.parts = [Part() for _ in range(partitions)]
        self.fill([3, 1, 4])

    # Appending

    @rule(
        keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=5),
        dedup_id=st.sampled_from([None, None, None, "x", "y"]),
        size=st.integers(1, 9),
        choice=st.integers(0, 9),
    )
    def append(self, keys: list[str | None], dedup_id: str | None, size: int, choice: int) -> None:
        body = b"1" * size
        number = choice if choice < len(self.parts) else None
        records = [NewRecord(body, key=key, partition=number) for key in keys]
        records[-1].dedup_id = dedup_id
        answers = self.log.append_all(*records)
        for record, answer in zip(records, answers, strict=True):
            self._judge(record, answer)

    def _judge(self, record: NewRecord, answer: Appended) -> None:
        now = self.log.time.now()
        remembered = self.known.get(record.dedup_id or "")
        if remembered is not None and remembered[0] > now:
            assert answer == remembered[1]._replace(duplicate=True)
            return
        part = self.parts[answer.partition]
        if record.partition is not None:
            assert answer.partition == record.partition
        elif record.key is not None:
            assert answer.partition == partition_of(record.key, len(self.parts))
        assert answer[1:] == (part.end, False)
        part.kept.append(Kept(part.end, now, record.key, len(record.body) + len(record.key or "")))
        part.end += 1
        if record.dedup_id is not None:
            self.known[record.dedup_id] = now + 20_000_000, answer

    @rule(steps=st.lists(st.integers(1, 4), min_size=1, max_size=4))
    def fill(self, steps: list[int]) -> None:
        """Records at instants some way apart, of keys that come again."""
        for n in steps:
            self.append(KEYS[:n], None, n, n)
            self.pass_time(n)

    @rule(off=st.integers(-1, 1))
    def append_if_there(self, off: int) -> None:
        end = self.parts[0].end
        expected = max(0, end + off)
        if expected == end:
            answer = self.log.append("1", partition=0, expected_offset=expected)[0]
            self._judge(NewRecord(b"1", partition=0), answer)
            return
        with pytest.raises(Conflict) as refused:
            self.log.append("1", partition=0, expected_offset=expected)
        assert refused.value.extra["end"] == str(end)

    # Readers

    @rule(reader=st.integers(0, 1), choice=st.integers(0, 2), limit=st.integers(1, 6))
    def read(self, reader: int, choice: int, limit: int) -> None:
        number = choice % len(self.parts)
        part, at = self.parts[number], self.readers.get((reader, number), 0)
        if at < part.low:
            with pytest.raises(OffsetOutOfRange) as refused:
                self.log.read(at, number, limit=limit)
            assert (refused.value.extra["low"], refused.value.extra["end"]) == (str(part.low), str(part.end))
            self.readers[reader, number] = part.low
            return
        expected = [kept.offset for kept in part.kept if kept.offset >= at][:limit]
        batch = self.log.read(at, number, limit=limit)
        assert [record.offset for record in batch.records] == expected
        assert batch.next == (expected[-1] + 1 if expected else part.end)
        self.readers[reader, number] = batch.next

    @rule(choice=st.integers(0, 2), back=st.integers(0, 30))
    def find_an_instant(self, choice: int, back: int) -> None:
        number = choice % len(self.parts)
        instant = self.log.time.now() - back * 1_000_000
        found = self.log.position(instant, number)
        part = self.parts[number]
        later = [kept.offset for kept in part.kept if kept.at >= instant]
        assert [kept.offset for kept in part.kept if kept.offset >= found] == later
        assert part.low <= found <= part.end

    # Operators and time

    @rule(seconds=st.integers(1, 8))
    def pass_time(self, seconds: int) -> None:
        self.log.time.advance(seconds)

    @rule()
    def grow(self) -> None:
        if len(self.parts) < 3:
            self.parts.append(Part())
            self.log.declare(partitions=len(self.parts))

    @rule(
        named=st.sampled_from([None, "retention_age", "retention_bytes", "retention_records"]),
        value=st.sampled_from([None, 3, 6, 12]),
        seconds=st.integers(0, 6),
        limit=st.integers(1, 20),
    )
    def retain(self, named: str | None, value: int | None, seconds: int, limit: int) -> None:
        """A rule changes, perhaps; then a turn of the duty: no more than it may, in order of the partitions."""
        if named is not None:
            self.limits[named] = value
            self.log.declare(**{named: value})
        self.log.time.advance(seconds)
        left = limit
        for part in self.parts:
            while left and part.kept and self._over(part):
                part.low = part.kept.pop(0).offset + 1
                left -= 1
        assert self.log.do(duties.retain, limit) == limit - left

    def _over(self, part: Part) -> bool:
        age, size, records = (self.limits[name] for name in ("retention_age", "retention_bytes", "retention_records"))
        return (
            (age is not None and part.kept[0].at <= self.log.time.now() - age * 1_000_000)
            or (size is not None and sum(kept.size for kept in part.kept) > size)
            or (records is not None and len(part.kept) > records)
        )

    @rule(switch=st.sampled_from([None, None, True, True, False]), limit=st.integers(1, 20), whole=st.booleans())
    def compact(self, switch: bool | None, limit: int, whole: bool) -> None:
        """Whatever a turn does, the last of every key stays; at the end nothing else of a key does."""
        if switch is not None:
            self.compacted = switch
            self.log.declare(compact=switch)
        if not whole:
            self.log.do(duties.compact, limit)
            self._take_over_compaction()
            return
        self.log.compact()
        self._take_over_compaction()
        keys = [(n, kept.key) for n, part in enumerate(self.parts) for kept in part.kept if kept.key is not None]
        assert not self.compacted or len(keys) == len(set(keys))

    def _take_over_compaction(self) -> None:
        for number, part in enumerate(self.parts):
            left = set(self.log.offsets(number))
            gone = [kept for kept in part.kept if kept.offset not in left]
            newest = {kept.key: kept.offset for kept in part.kept}
            assert self.compacted or not gone
            assert all(kept.key is not None and newest[kept.key] > kept.offset for kept in gone)
            part.kept = [kept for kept in part.kept if kept.offset in left]

    # What always holds

    @invariant()
    def bounds_and_records_are_the_models(self) -> None:
        for number, (part, row) in enumerate(zip(self.parts, self.log.definition.partitions, strict=True)):
            assert (row.low, row.end) == (part.low, part.end)
            assert self.log.offsets(number) == [kept.offset for kept in part.kept]
            assert row.bytes == sum(kept.size for kept in part.kept)


def test_a_stream_is_what_its_model_says(database: str) -> None:
    runs = RUNS if database == "sqlite" else RUNS // 6  # the same ones, of which each takes ten times as long
    run_state_machine_as_test(
        StreamModel,
        settings=settings(max_examples=runs, stateful_step_count=STEPS, deadline=None, derandomize=True, database=None),
    )


@pytest.mark.full
@pytest.mark.django_db
def test_a_stream_is_what_its_model_says_for_long() -> None:
    run_state_machine_as_test(
        StreamModel, settings=settings(max_examples=1_500, stateful_step_count=60, deadline=None, database=None)
    )
