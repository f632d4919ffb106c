"""How far a shared group has come: lag, seek and undo, retention, dead letters, and its end."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core import events
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handout import trimming
from brokerweb.queues import retirement
from brokerweb.queues.models import Failure, Message, Queue, QueueCount
from brokerweb.storage import reading as storage
from brokerweb.streams import duties, groups, positions
from tests.handout.bench import Share, offsets

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def share() -> Share:
    share = Share()
    share.append(*range(10))
    return share


def test_committed_is_the_lowest_unfinished_and_lag_counts_from_there(share: Share):
    a, b, c = share.lease(3)
    assert (share.committed, share.shown["lag"]) == ({"0": "0"}, 10)
    share.ack(c)
    share.ack(a)
    assert (share.committed, share.shown["lag"]) == ({"0": "1"}, 9)
    share.ack(b)

    assert (share.committed, share.shown["lag"]) == ({"0": "3"}, 7)
    assert share.shown["partitions"][0] | {"committed": "3", "lag": 7} == share.shown["partitions"][0]


def test_nobody_commits_for_a_shared_group(share: Share):
    with pytest.raises(Conflict):
        share.do(positions.commit, "events", "workers", {0: 5})


def test_seek_hands_out_again_and_old_receipts_are_lost(share: Share):
    leased = share.lease(4)
    share.ack(*leased[:2])
    assert [(m.origin, m.to) for m in share.seek("earliest")] == [(2, 0)]

    assert sorted(share.outcome.ended) == sorted(str(m.receipt) for m in leased[2:]), "their credit comes back"
    assert share.ack(*leased[2:]) == ["lease_lost", "lease_lost"]
    assert [o for _, o in share.drain()] == list(range(10))


def test_a_seek_takes_what_waits_to_be_tried_again(share: Share):
    [a] = share.lease()
    share.settle("nack", a, delay=60)
    share.seek("latest")
    share.pass_time(60)

    assert share.lease() == []
    assert (share.counts, share.shown["lag"]) == ({}, 0)


def test_a_seek_of_one_partition_leaves_what_is_under_way_in_others():
    share = Share(partitions=2)
    for number in (0, 1):
        share.append(*range(3), partition=number)
    leased = {message.place: message for message in share.lease(4)}
    share.settle("nack", leased[1, 1], delay=60)
    for move in (lambda: share.seek({"0": "0"}), share.undo):
        move()
        assert share.committed == {"0": "0", "1": "0"}
        assert share.ack(leased[0, 0]) == ["lease_lost"]

    assert share.ack(leased[1, 0]) == ["ok"]
    share.pass_time(60)
    assert sorted(share.drain()) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2)]


def test_undo_goes_back_to_the_oldest_that_was_not_finished(share: Share):
    leased = share.lease(6)
    share.ack(leased[0], leased[1], leased[3])
    share.seek("latest")
    assert share.lease() == []
    assert [(m.origin, m.to, m.records) for m in share.undo()] == [(10, 2, 8)]

    assert [o for _, o in share.drain()] == list(range(2, 10))


def test_a_shift_counts_from_the_oldest_that_is_not_finished(share: Share):
    leased = share.lease(6)
    share.ack(*leased[:4])
    preview = storage.read(positions.preview, "events", "workers", {"shift": -1})
    assert share.seek({"shift": -1}) == preview

    assert [(m.origin, m.to, m.records) for m in preview] == [(4, 3, 1)]
    assert offsets(share.lease(2)) == [3, 4]


def test_a_dry_run_moves_nothing(share: Share):
    [a] = share.lease()
    share.seek("latest", dry_run=True)

    assert share.ack(a) == ["ok"]
    assert offsets(share.lease()) == [1]


def test_retention_wins_over_what_is_unfinished(share: Share):
    first, second, third = share.lease(3)
    share.settle("nack", first, delay=60)
    share.log.declare(retention_records=8)

    assert share.retain() == 2
    assert share.outcome.ended == [str(second.receipt)], "its credit comes back"
    assert share.outcome.counts[events.TRIMMED, share.queue.pk] == 2
    assert share.ack(second) == ["lease_lost"]
    assert share.ack(third) == ["ok"]
    assert (share.counts, share.committed, share.shown["lag"]) == ({}, {"0": "3"}, 7)
    share.pass_time(60)
    assert offsets(share.lease()) == [3]


def test_what_retention_overtook_goes_in_small_batches_unless_it_ended_otherwise(share: Share, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trimming, "LIMIT", 2)
    leased = share.lease(7)
    share.log.declare(retention_records=4)
    share.log.retain()
    [overtaken] = storage.read(share.trimming.overtaken)
    share.ack(leased[0])
    share.settle("dead", leased[3])

    assert [share.do(trimming.trim, overtaken.queue_id, ids) for ids in overtaken.batches()] == [1, 1, 2]
    assert share.counts == {"leased": 1, "dead": 1}


def test_a_group_is_looked_at_anew_when_its_stream_begins_later(share: Share, monkeypatch: pytest.MonkeyPatch):
    looks: list[Any] = []

    def look(reads: Any, queue_id: int, below: Any) -> list[int]:
        looks.append(below)
        return []

    monkeypatch.setattr(trimming, "unfinished_below", look)
    for _ in range(3):
        storage.read(share.trimming.overtaken)
    share.log.declare(retention_records=4)
    for _ in range(3):
        share.retain()

    assert looks == [{0: 0}] * 2 + [{0: 6}] * 2, "once more, for what was being leased when retention passed"


def test_what_retention_takes_before_it_was_handed_out_is_passed_over(share: Share):
    [a] = share.lease()
    share.ack(a)
    share.log.declare(retention_records=3)
    share.retain()
    assert share.shown["lag"] == 3

    assert [o for _, o in share.drain()] == [7, 8, 9]


def test_a_dead_record_outlives_retention_and_can_be_redriven(share: Share):
    [a] = share.lease()
    share.settle("dead", a, error="never")
    share.log.declare(retention_records=1)
    assert share.retain() == 0
    assert (share.counts, share.log.offsets()) == ({"dead": 1}, [9])
    assert share.redrive() == 1
    [again] = share.lease()

    assert (again.body, again.place, again.failures) == (b"0", (0, 0), 0)
    assert share.retain() == 0, "it is a copy by now"
    assert (share.committed, share.shown["lag"]) == ({"0": "1"}, 1), "what is redriven takes no position back"
    assert share.ack(again) == ["ok"]


def test_a_deleted_group_ends_and_leaves_no_row(share: Share):
    queue = share.queue
    leased = share.lease(3)
    share.settle("nack", leased[0])
    share.settle("dead", leased[1])
    share.do(groups.delete_group, "events", "workers")
    assert share.ack(leased[2]) == ["lease_lost"]
    assert queue.pk in share.outcome.changed or Queue.objects.exclude(deleted_at=None).count() == 1
    with pytest.raises(NotFound):
        storage.read(groups.find_group, "events", "workers")
    while share.do(retirement.sweep_deleted):
        pass

    assert (Queue.objects.count(), Message.objects.count(), Failure.objects.count()) == (0, 0, 0)
    assert QueueCount.objects.count() == 0
    assert len(share.log.bodies()) == 10


def test_a_deleted_stream_takes_its_shared_groups_along(share: Share):
    queue = share.queue
    [leased, *_] = share.lease(3)
    share.log.delete()
    assert queue.pk in share.log.outcome.changed, "workers who wait are told, before a duty comes by"
    assert share.ack(leased) == ["lease_lost"]
    while share.do(duties.sweep_deleted) or share.do(retirement.sweep_deleted):
        pass

    assert (Queue.objects.count(), Message.objects.count()) == (0, 0)


def test_its_settings_are_a_queues(share: Share):
    from brokerweb.core.errors import Invalid

    shown = share.shown
    assert (shown["kind"], shown["lease"], shown["max_failures"]) == ("shared", 30, 10)
    share.do(groups.declare_group, "events", "workers", {"lease": 7, "max_failures": None, "backoff": {"initial": 3}})
    shown = share.shown
    assert (shown["lease"], shown["max_failures"], shown["backoff"]["initial"]) == (7, None, 3)
    assert share.lease()[0].lease == 7
    for wrong in ({"lease": 0}, {"keyed": True}, {"ttl": 3}):
        with pytest.raises(Invalid):
            share.do(groups.declare_group, "events", "workers", wrong)
