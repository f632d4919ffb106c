"""Append: all or none, offsets without gaps, each record in its partition, a dedup_id stored once."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from brokerweb.core.errors import Conflict, Invalid, NotFound, TooLarge
from brokerweb.streams import duties
from brokerweb.streams.models import Record
from brokerweb.streams.partitioner import murmur2, partition_of
from brokerweb.streams.records import NewRecord
from tests.contract.streams import Log


def test_offsets_of_a_partition_have_no_gaps(log: Log):
    assert [a.offset for a in log.append("a", "b")] == [0, 1]
    assert [a.offset for a in log.append("c")] == [2]
    partition = log.partition()

    assert (partition.low, partition.end, partition.records) == (0, 3, 3)
    assert log.bodies() == ["a", "b", "c"]


def test_in_every_partition_order_is_that_of_the_request(log: Log):
    log.declare(partitions=3)
    numbers = [0, 2, 0, 1, 2, 0]
    answers = log.append_all(*(NewRecord(str(i).encode(), partition=n) for i, n in enumerate(numbers)))

    assert [a.partition for a in answers] == numbers
    assert [a.offset for a in answers] == [0, 0, 1, 0, 1, 2]
    assert [log.bodies(n) for n in range(3)] == [["0", "2", "5"], ["3"], ["1", "4"]]


def test_a_refused_append_leaves_nothing(log: Log):
    log.declare(max_body_bytes=3, partitions=2)
    for records in ([NewRecord(b"123"), NewRecord(b"1234")], [NewRecord(b"1"), NewRecord(b"1", partition=2)]):
        with pytest.raises((TooLarge, Invalid)) as refused:
            log.append_all(*records)
        assert refused.value.extra["errors"][0]["pointer"].startswith("/records/1/")
    with pytest.raises(NotFound):
        Log.append_all(_renamed(log), NewRecord(b"1"))

    assert Record.objects.count() == 0
    assert log.append("1", partition=0)[0].offset == 0


def _renamed(log: Log) -> Log:
    other = Log.__new__(Log)
    other.__dict__.update(log.__dict__, name="nowhere")
    return other


def test_what_fails_later_in_the_transaction_takes_no_offset(log: Log):
    def fails(tx, name: str) -> None:
        from brokerweb.streams.engine import append

        append(tx, name, [NewRecord(b"1")])
        raise Conflict("later")

    with pytest.raises(Conflict):
        log.do(fails, log.name)

    assert log.append("a")[0].offset == 0


def test_two_appends_in_one_commit_follow_each_other(log: Log):
    from brokerweb.streams.engine import append

    def twice(tx, name: str) -> list[int]:
        return [a.offset for bodies in (b"ab", b"c") for a in append(tx, name, [NewRecord(bytes([b])) for b in bodies])]

    assert log.do(twice, log.name) == [0, 1, 2]
    assert [(first, len(records)) for _, first, records in log.outcome.appended] == [(0, 2), (2, 1)]


def test_a_partition_that_is_not_there_is_named_by_its_place_in_the_request_behind_repeats_too(log: Log):
    log.append("first", dedup_id="a")
    repeat, wrong = NewRecord(b"1", dedup_id="a"), NewRecord(b"2", partition=7)
    with pytest.raises(Invalid) as refused:
        log.append_all(repeat, repeat, wrong)
    assert refused.value.extra["errors"][0]["pointer"] == "/records/2/partition"


def test_expected_offset_is_the_end_of_the_one_partition_all_go_to(log: Log):
    log.declare(partitions=2)
    assert log.append("a", "b", partition=1, expected_offset=0)[1].offset == 1
    with pytest.raises(Conflict) as refused:
        log.append("c", partition=1, expected_offset=1)
    assert refused.value.extra["end"] == "2"
    with pytest.raises(Conflict):
        log.append_all(NewRecord(b"c", partition=0), NewRecord(b"d", partition=1), expected_offset=0)

    assert log.append("c", partition=1, expected_offset=2)[0].offset == 2
    assert [log.partition(n).end for n in range(2)] == [0, 3]


def test_a_conditional_append_that_is_sent_again_answers_as_the_first(log: Log):
    first = log.append("a", dedup_id="once", expected_offset=0)
    again = log.append("a", dedup_id="once", expected_offset=0)

    assert [(a.offset, a.duplicate) for a in first + again] == [(0, False), (0, True)]


def test_a_dedup_id_is_stored_once_in_one_batch_too(log: Log):
    log.declare(partitions=4)
    records = [NewRecord(b"a", dedup_id="x"), NewRecord(b"b", dedup_id="y"), NewRecord(b"c", dedup_id="x"), NewRecord(b"d")]
    first = log.append_all(*records)
    again = log.append_all(*records)

    assert [a.duplicate for a in first] == [False, False, True, False]
    assert [a.duplicate for a in again] == [True, True, True, False]
    assert first[2][:2] == first[0][:2] == again[0][:2] == again[2][:2]
    assert sum(p.records for p in log.definition.partitions) == 4


def test_a_dedup_id_is_known_for_the_window_and_when_its_record_is_gone(log: Log):
    log.declare(dedup_window=10, retention_records=1)
    log.append("a", dedup_id="x")
    log.append("b", "c")
    log.retain()
    assert log.offsets() == [2]
    log.time.advance(9.9)
    assert log.append("a", dedup_id="x") == [(0, 0, True)]
    log.time.advance(0.1)
    assert log.append("a", dedup_id="x") == [(0, 3, False)]
    log.time.advance(10)
    log.duty(duties.forget_dedup)

    assert log.append("a", dedup_id="x") == [(0, 4, False)]


def test_a_refused_append_remembers_no_dedup_id(log: Log):
    with pytest.raises(Conflict):
        log.append("a", dedup_id="x", expected_offset=7)

    assert log.append("a", dedup_id="x") == [(0, 0, False)]


def test_a_window_of_nothing_remembers_nothing_beyond_the_batch(log: Log):
    log.declare(dedup_window=0)
    assert [a.offset for a in log.append("a", "b", dedup_id="x")] == [0, 0]
    log.time.advance(0.001)

    assert log.append("a", dedup_id="x") == [(0, 1, False)]


def test_records_without_key_go_round(log: Log):
    log.declare(partitions=3)
    places = [a.partition for _ in range(4) for a in log.append("a", "b", "c", "d", "e", "f")]

    assert Counter(places) == {0: 8, 1: 8, 2: 8}
    assert all((b - a) % 3 == 1 for a, b in pairwise(places))


@pytest.mark.parametrize(
    ("key", "hashed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536),
     ("a-little-bit-longer-string", -1486304829), ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
     ("abc", 479470107)],
)  # fmt: skip
def test_keys_hash_as_in_kafkas_java_client(key: str, hashed: int):
    assert murmur2(key.encode()) == hashed & 0xFFFFFFFF
    assert partition_of(key, 7) == (hashed & 0x7FFFFFFF) % 7


def test_a_key_has_one_partition_and_an_own_choice_comes_first(log: Log):
    log.declare(partitions=5)
    keys = [f"customer-{n}" for n in range(40)] + ["ключ", "🔑"]
    places = {key: log.append("a", key=key)[0].partition for key in keys}

    assert places == {key: log.append("b", key=key)[0].partition for key in keys}
    assert places == {key: partition_of(key, 5) for key in keys}
    assert len(set(places.values())) == 5
    assert log.append("c", key="customer-1", partition=3)[0].partition == 3


def test_a_stream_can_have_more_partitions_never_fewer(log: Log):
    log.append("a", "b")
    log.declare(partitions=3)
    with pytest.raises(Conflict):
        log.declare(partitions=2)
    log.append("c", partition=2)

    assert log.bodies(0) == ["a", "b"]
    assert [p.end for p in log.definition.partitions] == [2, 0, 1]
    assert log.append("k", key="21")[0].partition == partition_of("21", 3)
    log.declare(retention_age=9)
    assert len(log.definition.partitions) == 3, "what is not named stays"


def test_bytes_count_body_key_and_headers_as_they_are_stored(log: Log):
    log.append("ä", key="ключ", headers='{"größe":"日本"}')  # the books are checked after every step

    assert log.partition().bytes == len("ä".encode()) + len("ключ".encode()) + len('{"größe":"日本"}'.encode())


def test_instants_of_a_partition_never_go_back(log: Log):
    log.append("a")
    log.time.at -= 5_000_000
    log.append("b")

    assert log.read(0).records[0].appended_at == log.read(1).records[0].appended_at
