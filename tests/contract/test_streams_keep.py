"""What streams keep: retention and compaction, exact by rule and in small turns; and what is left of deleted ones."""

from __future__ import annotations

import pytest

from brokerweb.core import batches
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.streams import control, duties, groups
from brokerweb.streams.models import ConsumerGroup, GroupPartition, LatestKey, Partition, Record, Stream, StreamDedup
from tests.contract.streams import Log

SECOND = 1_000_000


# Retention


def test_by_count_the_oldest_go_until_so_many_are_left(log: Log):
    log.declare(retention_records=3)
    log.append(*range(3))
    assert log.retain() == 1
    log.append(*range(3, 8))
    log.retain()

    assert log.offsets() == [5, 6, 7]
    assert log.partition().low == 5


def test_by_bytes_the_oldest_go_until_it_fits(log: Log):
    log.declare(retention_bytes=10)
    log.append("123456", "123", "1234")  # 13
    log.retain()
    assert log.offsets() == [1, 2]
    log.append("123")  # 10, which is not over
    log.retain()
    assert log.offsets() == [1, 2, 3]
    log.append("x" * 11)
    log.retain()

    assert log.offsets() == []
    assert (log.partition().low, log.partition().end) == (5, 5)


def test_by_age_a_record_goes_when_it_is_so_old_and_not_before(log: Log):
    log.declare(retention_age=10)
    log.append("a")
    log.time.advance(4)
    log.append("b")
    log.time.at += 6 * SECOND - 1
    log.retain()
    assert log.offsets() == [0, 1]
    log.time.at += 1
    log.retain()
    assert log.offsets() == [1]
    log.time.advance(4)
    log.retain()

    assert log.offsets() == []


def test_a_record_goes_as_soon_as_one_rule_says_so(log: Log):
    log.declare(retention_age=10, retention_records=2, retention_bytes=100)
    log.append("x", "y", "z")
    log.retain()
    assert log.offsets() == [1, 2]
    log.append("w" * 100)
    log.retain()
    assert log.offsets() == [3]
    log.time.advance(10)
    log.retain()

    assert log.offsets() == []


def test_every_partition_is_judged_by_itself(log: Log):
    log.declare(partitions=2, retention_records=2)
    log.append(*range(5), partition=1)
    log.append(0, partition=0)
    log.retain()

    assert (log.offsets(0), log.offsets(1)) == ([0], [3, 4])


def test_a_turn_takes_so_many_and_each_is_exact(log: Log):
    log.limit = 7
    log.declare(partitions=3, retention_records=2)
    for number in range(3):
        log.append(*range(10), partition=number)
    before = 30
    while removed := log.do(duties.retain, log.limit):
        before -= removed
        assert removed <= 7
        assert Record.objects.count() == before
        for number in range(3):
            partition = log.partition(number)
            assert log.offsets(number) == list(range(partition.low, 10))

    assert before == 6


def test_a_turn_takes_fewer_records_where_they_are_large_and_says_that_there_is_more(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    log.declare(partitions=2)
    for number in range(2):
        log.append("x" * 9, "x" * 9, "x" * 50, "x" * 9, "last", partition=number)
    log.declare(retention_records=1)
    kept = []
    while log.do(duties.retain) == duties.LIMIT:
        kept.append((log.offsets(0), log.offsets(1)))
    assert kept[:3] == [([2, 3, 4], [0, 1, 2, 3, 4]), ([3, 4], [0, 1, 2, 3, 4]), ([4], [1, 2, 3, 4])]
    assert (log.offsets(0), log.offsets(1)) == ([4], [4])


def test_a_turn_of_compaction_removes_fewer_large_records(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    log.declare(compact=True)
    log.append(*["x" * 50] * 4, key="k")
    assert log.do(duties.compact) == duties.LIMIT
    assert log.offsets() == [1, 2, 3]
    log.compact()
    assert log.offsets() == [3]


def test_a_turn_of_the_sweep_takes_fewer_large_records(log: Log, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    log.append("x" * 9, "x" * 9, "x" * 9, "x" * 50)
    log.delete()
    assert [log.do(duties.sweep_deleted) for _ in range(3)] == [2, 1, 1]


def test_retention_changed_in_place_holds_from_the_next_turn_on(log: Log):
    log.append(*range(5))
    assert log.retain() == 1
    log.declare(retention_records=2)
    log.retain()
    assert log.offsets() == [3, 4]
    log.declare(retention_records=None)
    log.append(*range(5))
    log.retain()

    assert len(log.offsets()) == 7


def test_readers_are_told_where_retention_passed(log: Log):
    log.declare(retention_records=1)
    log.append(1, 2)
    log.do(duties.retain)

    assert log.outcome.trimmed == {log.partition().id}


# Compaction


def test_of_each_key_the_last_record_stays_and_those_without_key_all(log: Log):
    log.declare(compact=True)
    log.keyed("a", None, "b", "a", None, "c", "a")
    log.compact()

    assert log.offsets() == [1, 2, 4, 5, 6]
    assert (log.partition().low, log.partition().end, log.partition().records) == (0, 7, 5)
    assert log.do(duties.compact) == 0


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
def test_it_can_stop_anywhere_and_every_turn_leaves_right_books(log: Log, limit: int):
    """Every turn is a commit: killed between two, the next goes on where the last one came to."""
    log.limit = limit
    log.declare(compact=True)
    log.keyed(*"abacabadab")
    while log.do(duties.compact, limit):
        kept = {record.key: record.offset for record in log.read(0).records}
        assert kept == {"a": 8, "b": 9, "c": 3, "d": 7}, "the last of a key never goes"
    assert log.offsets() == [3, 7, 8, 9]


def test_appends_between_turns_are_compacted_as_well(log: Log):
    log.limit = 2
    log.declare(compact=True)
    log.keyed(*"abab")
    log.do(duties.compact, 2)
    log.keyed(*"aac")
    log.compact()

    assert log.offsets() == [3, 5, 6]


def test_switched_on_later_it_looks_at_everything(log: Log):
    log.keyed(*"aabba")
    assert log.compact() == 1
    assert len(log.offsets()) == 5
    log.declare(compact=True)
    log.compact()
    assert log.offsets() == [3, 4]
    log.declare(compact=False)
    log.keyed(*"ab")
    log.compact()
    assert log.offsets() == [3, 4, 5, 6]
    log.declare(compact=True)
    log.compact()

    assert log.offsets() == [5, 6]


def test_switched_on_twice_it_still_keeps_the_last(log: Log):
    log.limit = 2
    log.declare(compact=True)
    log.keyed(*"abcabc")
    log.do(duties.compact, 2)
    log.declare(compact=True)
    log.do(duties.compact, 2)
    log.declare(compact=True)
    log.compact()

    assert log.offsets() == [3, 4, 5]


def test_retention_and_compaction_together(log: Log):
    log.declare(compact=True, retention_records=2)
    log.keyed(*"abcab")
    log.compact()
    assert log.offsets() == [2, 3, 4]
    log.retain()
    assert log.offsets() == [3, 4]
    log.keyed("c", "c")
    log.compact()
    log.retain()

    assert log.offsets() == [4, 6]
    assert sorted(LatestKey.objects.values_list("key", "offset")) == [("b", 4), ("c", 6)]


def test_a_partition_may_be_compacted_behind_what_retention_took(log: Log):
    log.declare(compact=True, retention_records=1)
    log.keyed(*"aabb")
    log.retain()
    log.keyed("b")
    log.compact()

    assert log.offsets() == [4]


# Delete


def test_a_deleted_stream_is_gone_at_once_and_its_name_is_free(log: Log):
    log.append(*range(3))
    log.delete()
    with pytest.raises(NotFound):
        log.append("x")
    log.declare()

    assert log.append("x")[0].offset == 0


@pytest.mark.parametrize("limit", [1, 3, 500])
def test_the_sweep_leaves_no_row_and_touches_no_other_stream(log: Log, limit: int):
    other = Log(log.time, log.alias, name="other")
    other.append("kept", dedup_id="d")
    log.declare(partitions=2, compact=True)
    for n, key in enumerate("abcab"):
        log.append(n, key=key, dedup_id=f"d{n}")
    log.compact()
    log.do(groups.declare_group, log.name, "billing", {})
    log.delete()
    log.limit = limit
    batches = log.sweep()

    assert batches > 1 if limit == 500 else batches > 3
    assert list(Stream.objects.values_list("name", flat=True)) == ["other"]
    assert (Partition.objects.count(), Record.objects.count(), StreamDedup.objects.count()) == (1, 1, 1)
    assert (LatestKey.objects.count(), ConsumerGroup.objects.count(), GroupPartition.objects.count()) == (0, 0, 0)
    assert other.append("kept", dedup_id="d")[0].duplicate


def test_a_turn_of_the_sweep_is_small_whatever_the_stream_remembers(log: Log):
    def rows() -> int:
        return Record.objects.count() + LatestKey.objects.count() + StreamDedup.objects.count()

    log.declare(compact=True)
    for n, key in enumerate("abcde"):
        log.append(n, key=key, dedup_id=key)
    log.compact()
    log.delete()
    left, told = rows(), []
    while log.do(duties.sweep_deleted, 2):
        before, left = left, rows()
        told += list(log.outcome.stream_counts)
        assert before - left <= 2

    assert left == 0
    assert [event for event, _ in told] == ["removed"], "else its figures would be kept for ever"


def test_only_an_empty_stream_goes_if_it_must_be_empty(log: Log):
    log.append("x")
    with pytest.raises(Conflict):
        log.do(control.delete, log.name, if_empty=True)
    log.declare(retention_age=1)
    log.time.advance(1)
    log.retain()
    log.do(control.delete, log.name, if_empty=True)


def test_a_partition_id_is_never_used_twice(log: Log):
    """A reader that still knows the old partition must not read the new stream's records."""
    log.append("old")
    before = log.partition().id
    log.delete()
    log.sweep()
    log.declare()

    assert log.partition().id > before
