"""A shared group hands every record to one worker at a time, whatever the partitions, and ends it as a queue does."""

from __future__ import annotations

import pytest

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.queues.leasing import ROUND_BYTES
from brokerweb.streams.reading import MAX_RECORDS
from brokerweb.streams.records import NewRecord
from tests.handout.bench import Share, offsets, places

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def share() -> Share:
    return Share()


def test_every_record_is_handed_out_once(share: Share):
    share.append(*range(10))
    first, second = share.lease(4), share.lease(4)

    assert offsets(first) + offsets(second) == list(range(8))
    assert offsets(share.lease(4)) == [8, 9]
    assert share.lease(4) == []
    assert share.counts == {"leased": 10}


def test_a_record_arrives_as_it_was_appended(share: Share):
    share.log.append_all(
        NewRecord(b"{}", key="k", headers='{"a":"b"}', content_type="x/y", reply_to="queue:q", correlation_id="c"),
        NewRecord(b"\xff", binary=True),
    )
    first, second = share.lease(2)

    assert (first.body, first.key, first.headers, first.content_type) == (b"{}", "k", '{"a":"b"}', "x/y")
    assert (first.reply_to, first.correlation_id, first.attempts, first.failures) == ("queue:q", "c", 1, 0)
    assert (second.binary, second.place) == (True, (0, 1))


def test_more_workers_than_partitions_have_work(share: Share):
    share.append(*range(12))
    parts, more = share.round(3, 3, 3, 3)

    assert [len(part) for part in parts] == [3, 3, 3, 3]
    assert sorted(o for part in parts for o in offsets(part)) == list(range(12))
    assert more is False


def test_all_partitions_get_their_turn():
    share = Share(partitions=3)
    for number in range(3):
        share.append(*range(10), partition=number)
    leased = share.lease(6)

    assert sorted(places(leased)) == [(p, o) for p in range(3) for o in range(2)]
    assert sorted(places(leased) + share.drain()) == [(p, o) for p in range(3) for o in range(10)]


def test_a_round_for_more_than_one_read_skips_nothing(share: Share):
    """Eight workers with room for a thousand each ask for more records than one read gives."""
    total = MAX_RECORDS + 100
    share.append(*range(total))
    seen, more = [], True
    while more:
        parts, more = share.round(1000, 1000)
        seen += [offset for part in parts for offset in offsets(part)]

    assert sorted(seen) == list(range(total))


def test_large_records_are_handed_out_as_many_as_fit_and_none_is_skipped(share: Share):
    share.log.append_all(*(NewRecord(b"x" * (ANSWER_BYTES // 3)) for _ in range(10)))
    first = share.lease(10)
    assert offsets(first) == [0, 1, 2]

    assert offsets(first) + [o for _, o in share.drain()] == list(range(10))


def test_large_records_go_round_within_bounds_and_none_is_skipped():
    share = Share(partitions=2)
    size = ANSWER_BYTES * 3 // 2
    for number in range(2):
        share.log.append_all(*(NewRecord(b"x" * size, partition=number) for _ in range(5)))
    seen: list[tuple[int, int]] = []
    more = True
    while more:
        parts, more = share.round(50)
        assert sum(len(m.body) for m in parts[0]) <= ROUND_BYTES + size
        seen += places(parts[0])

    assert sorted(seen) == [(p, o) for p in range(2) for o in range(5)]


def test_gaps_of_compaction_are_no_records(share: Share):
    share.log.declare(compact=True)
    share.log.keyed(*"abcabca")
    share.log.compact()

    assert [o for _, o in share.drain(1)] == [4, 5, 6]
    assert share.shown["lag"] == 0


def test_a_failed_record_comes_again_after_its_backoff_and_dies_in_the_end():
    share = Share(max_failures=2, backoff={"initial": 10, "jitter": 0})
    share.append("bad", "good")
    bad, good = share.lease(2)
    share.ack(good)
    assert share.settle("nack", bad, error="no") == ["ok"]
    assert share.lease(9) == []
    share.pass_time(10)
    [again] = share.lease(9)
    assert (again.place, again.attempts, again.failures) == ((0, 0), 2, 1)
    share.settle("nack", again)

    assert share.counts == {"dead": 1}
    assert (share.committed, share.shown["lag"]) == ({"0": "2"}, 0)


def test_what_failed_comes_before_what_is_new(share: Share):
    share.append(*range(4))
    first, _ = share.lease(2)
    share.settle("nack", first, delay=0)

    assert offsets(share.lease(2)) == [0, 2]


def test_a_lease_that_ends_is_a_failure_and_its_late_ack_is_refused(share: Share):
    share.append("a")
    [leased] = share.lease(lease=5)
    share.pass_time(5)
    assert share.ack(leased) == ["lease_lost"]
    assert (share.lease(), share.counts) == ([], {"scheduled": 1})  # it waits by the group's backoff
    share.pass_time(1)
    [again] = share.lease()

    assert (again.failures, again.place) == (1, (0, 0))
    assert share.ack(again) == ["ok"]


def test_a_released_record_has_not_failed(share: Share):
    share.append("a")
    [leased] = share.lease()
    share.settle("release", leased)

    assert [(m.attempts, m.failures, m.place) for m in share.lease()] == [(2, 0, (0, 0))]


def test_without_acknowledgement_it_is_done_when_handed_out(share: Share):
    share.append(*range(3))
    leased = share.lease(2, acknowledge=False)

    assert [m.receipt for m in leased] == [None, None]
    assert (share.counts, share.committed, share.shown["lag"]) == ({}, {"0": "2"}, 1)


def test_two_groups_and_a_reader_do_not_mind_each_other(share: Share):
    from brokerweb.streams import groups

    share.append(*range(3))
    share.drain()
    share.log.do(groups.declare_group, "events", "others", {"kind": "shared", "start": "earliest"})

    assert share.log.bodies() == ["0", "1", "2"]
    assert share.lease() == []


def test_records_of_a_new_partition_are_handed_out_too(share: Share):
    share.append(0)
    share.drain()
    share.log.declare(partitions=2)
    share.append(1, partition=1)

    assert share.drain() == [(1, 0)]
