"""Read: by offset, from either end, from an instant; whoever asks for what is gone, or not there, is told so."""

from __future__ import annotations

import pytest

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import NotFound, OffsetOutOfRange
from brokerweb.streams import duties
from brokerweb.streams.records import NewRecord
from tests.contract.streams import Log


def test_a_reader_goes_on_at_next_and_sees_every_record_once(log: Log):
    log.append(*range(10))
    batches = [log.read(0, limit=4)]
    while batches[-1].next < batches[-1].end:
        batches.append(log.read(batches[-1].next, limit=4))

    assert [r.offset for batch in batches for r in batch.records] == list(range(10))
    assert [batch.next for batch in batches] == [4, 8, 10]
    assert log.read(10) == ([], 10, 0, 10)


def test_an_answer_has_so_many_bytes_and_a_larger_record_comes_alone(log: Log):
    large = b"x" * (ANSWER_BYTES // 2)
    log.append_all(NewRecord(large), NewRecord(large), NewRecord(b"y" * (ANSWER_BYTES + 1)), NewRecord(b"z"))
    first = log.read(0)
    second = log.read(first.next)

    assert [r.offset for r in first.records] == [0, 1]
    assert [r.offset for r in second.records] == [2]
    assert [r.offset for r in log.read(second.next).records] == [3]


def test_a_record_is_read_as_it_was_appended(log: Log):
    log.append_all(
        NewRecord(
            b"\x00\xff",
            binary=True,
            key="k",
            headers='{"a":"b"}',
            content_type="image/png",
            reply_to="queue:q",
            correlation_id="c",
        )
    )
    [r] = log.read(0).records

    assert (r.binary, r.body, r.key, r.headers, r.content_type) == (True, b"\x00\xff", "k", '{"a":"b"}', "image/png")
    assert (r.reply_to, r.correlation_id, r.appended_at) == ("queue:q", "c", log.time.now())


@pytest.mark.parametrize("offset", [0, 2, 6, 100])
def test_an_offset_that_is_not_there_says_what_is(log: Log, offset: int):
    log.declare(retention_records=2)
    log.append(*range(5))
    log.retain()
    with pytest.raises(OffsetOutOfRange) as refused:
        log.read(offset)

    assert (refused.value.extra["low"], refused.value.extra["end"]) == ("3", "5")
    assert [r.offset for r in log.read(3).records] == [3, 4]
    assert log.read(5).records == []


def test_retention_that_passes_between_is_told_not_skipped(log: Log):
    """The reader saw the partition's bounds, then retention took the records, and more were appended."""
    log.declare(retention_records=2)
    log.append(*range(5))
    seen = log.partition()
    log.append(*range(5, 9))
    log.retain()
    with pytest.raises(OffsetOutOfRange) as refused:
        log.read(1, seen=seen)

    assert refused.value.extra["low"] == "7"


def test_retention_that_took_all_that_was_seen_is_told(log: Log):
    log.declare(retention_age=10)
    log.append(*range(3))
    seen = log.partition()
    log.time.advance(10)
    log.retain()
    with pytest.raises(OffsetOutOfRange):
        log.read(1, seen=seen)


def test_a_stream_that_was_deleted_and_swept_between_is_told(log: Log):
    log.append(*range(3))
    seen = log.partition()
    log.delete()
    with pytest.raises(NotFound):
        log.read(1, seen=log_partition(log, seen.id))
    log.sweep()
    with pytest.raises(NotFound):
        log.read(1, seen=seen)


def log_partition(log: Log, id: int):
    from brokerweb.storage.reading import read
    from brokerweb.streams.definitions import PartitionRow, Q

    return read(lambda reads: PartitionRow(*reads.row(Q.partition, id)))


def test_gaps_of_compaction_are_read_over(log: Log):
    log.declare(compact=True)
    log.keyed("a", "b", "a", "b", "c", "a")
    log.compact()

    assert log.offsets() == [3, 4, 5]
    assert [r.offset for r in log.read(0).records] == [3, 4, 5]
    assert [r.offset for r in log.read(1, limit=1).records] == [3]
    log.keyed("b", "c")
    log.compact()
    assert log.offsets() == [5, 6, 7]
    assert [r.offset for r in log.read(3, limit=2).records] == [5, 6]


def test_a_tail_of_gaps_is_read_over_to_the_end(log: Log):
    """Only retention and compaction together can empty the end of a partition."""
    log.declare(compact=True)
    log.keyed("a", "a")
    log.compact()
    seen = log.partition()._replace(end=1)

    assert log.read(0, seen=seen) == ([], 1, 0, 1)


def test_either_end(log: Log):
    log.declare(retention_records=2)
    assert (log.position("earliest"), log.position("latest")) == (0, 0)
    log.append(*range(5))
    log.retain()

    assert (log.position("earliest"), log.position("latest")) == (3, 5)


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 33])
def test_from_an_instant_is_the_first_record_not_older(log: Log, number: int):
    instants = []
    for n in range(number):
        log.append(n)
        instants.append(log.time.now())
        log.time.advance(1)

    assert log.position(instants[0] - 1) == 0
    assert [log.position(instant) for instant in instants] == list(range(number))
    assert [log.position(instant + 1) for instant in instants] == list(range(1, number + 1))


def test_from_an_instant_steps_over_gaps(log: Log):
    log.declare(compact=True)
    instants = []
    for key in "abcaabbcdda":
        log.keyed(key)
        instants.append(log.time.now())
        log.time.advance(1)
    log.compact()
    left = log.offsets()

    for offset, instant in enumerate(instants):
        expected = [o for o in left if o >= offset]
        assert [r.offset for r in log.read(log.position(instant)).records] == expected
        assert [r.offset for r in log.read(log.position(instant - 1)).records] == expected


def test_records_of_one_instant_are_found_from_the_first_on(log: Log):
    log.append("before")
    log.time.advance(1)
    log.append(*range(6))
    log.time.advance(1)
    log.append("after")

    assert log.position(log.time.now() - 1_000_000) == 1


def test_reading_changes_nothing(log: Log):
    log.append(*range(3))
    before = log.definition
    log.read(0)
    log.position(log.time.now())

    assert log.definition == before


def test_a_reader_is_told_of_nothing_new_by_duties(log: Log):
    log.append(1)

    assert log.do(duties.retain) == 0
    assert log.do(duties.compact) == 0
    assert log.outcome.appended == []
