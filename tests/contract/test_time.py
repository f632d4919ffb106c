"""Delay, ttl and leases: what happens when, with time passed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from brokerweb.core import batches, clock
from brokerweb.queues import control, duties
from brokerweb.queues.messages import NewMessage
from brokerweb.storage.transaction import Transaction
from tests.contract.store import Orders, Store


def test_a_delayed_message_waits_until_it_is_due(orders: Orders):
    id = orders.one(delay=30)
    assert orders.store.outcome.due_at == orders.store.time.now() + clock.seconds(30)
    orders.store.pass_time(29.9)
    assert orders.lease() == []
    orders.store.pass_time(0.1)
    assert orders.take().id == id


@pytest.mark.parametrize("duty", [duties.promote, duties.expire_leases, duties.expire_messages, duties.release_sockets])
def test_a_turn_takes_fewer_messages_where_they_are_large(
    store: Store, monkeypatch: pytest.MonkeyPatch, duty: Callable[[Transaction], int]
):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    orders = store.queue(lease=5)
    if duty in (duties.expire_leases, duties.release_sockets):
        ids = orders.publish(*["x" * 9] * 4, "x" * 50)
        orders.lease(5, holder="ws:node-1/1/1")
    else:
        ids = orders.publish(*["x" * 9] * 4, "x" * 50, **({"delay": 5} if duty is duties.promote else {"ttl": 5}))
    store.time.advance(5)
    assert [store.do(duty) for _ in range(4)] == [2, 2, 1, 0]
    became = "gone" if duty is duties.expire_messages else "scheduled" if duty is duties.expire_leases else "ready"
    assert set(store.states(ids)) == {became}


def test_deliver_at_is_an_instant_and_the_past_means_now(orders: Orders):
    now = orders.store.time.now()
    later, past = (orders.one(deliver_at=at) for at in (now + clock.seconds(5), now - clock.seconds(5)))
    assert orders.store.states([later, past]) == ["scheduled", "ready"]
    assert orders.store.message(past).due_at == clock.to_datetime(now)
    orders.store.pass_time(5)
    assert orders.drain() == [later, past]


def test_a_delayed_message_keeps_its_position(orders: Orders):
    delayed = orders.one(delay=5)
    prompt = orders.publish(1, 2)
    orders.store.pass_time(5)
    assert orders.drain() == [delayed, *prompt]


def test_promotion_is_in_bounded_steps_and_wakes_the_queue(orders: Orders):
    orders.publish(*range(5), delay=1)
    orders.store.time.advance(1)
    assert [orders.store.do(duties.promote, 2) for _ in range(4)] == [2, 2, 1, 0]
    orders.one(delay=1)
    orders.store.time.advance(1)
    orders.store.do(duties.promote)
    assert orders.store.outcome.ready == {orders.row.pk}


# Ttl


def test_a_message_expires_at_the_end_of_its_ttl(orders: Orders):
    id = orders.one(ttl=5)
    orders.store.pass_time(4.9)
    assert orders.store.state(id) == "ready"
    orders.store.pass_time(0.1)
    assert orders.store.state(id) == "gone"
    assert orders.counts() == {}


def test_an_expired_message_is_not_handed_out_while_the_duty_is_late(orders: Orders):
    gone, stays = orders.one(ttl=5, priority=9), orders.one(ttl=50)
    orders.store.time.advance(5)
    assert [m.id for m in orders.lease(10)] == [stays]
    assert orders.store.state(gone) == "gone"
    assert orders.store.outcome.counts["expired", orders.row.pk] == 1


def test_expired_messages_in_front_are_cleared_in_bounded_steps(orders: Orders):
    orders.publish(*range(250), ttl=5)
    stays = orders.one()
    orders.store.time.advance(5)
    assert orders.lease(10) == []
    assert [m.id for m in orders.lease(10)] == [stays]


def test_ttl_counts_from_when_a_message_is_first_due(orders: Orders):
    id = orders.one(delay=10, ttl=5)
    orders.store.pass_time(14.9)
    assert orders.store.state(id) == "ready"
    orders.store.pass_time(0.1)
    assert orders.store.state(id) == "gone"


def test_expired_messages_in_front_are_cleared_in_smaller_steps_where_they_are_large(
    orders: Orders, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    late, live = orders.publish(*["x" * 9] * 3, ttl=5), orders.one()
    orders.store.time.advance(5)
    assert orders.lease() == []
    assert orders.store.states(late) == ["gone", "gone", "ready"]
    assert [m.id for m in orders.lease()] == [live]


def test_the_duty_is_told_when_a_message_will_expire(orders: Orders):
    orders.one(ttl=5)
    assert orders.store.outcome.due_at == orders.store.time.now() + clock.seconds(5)
    assert orders.store.do(duties.next_work) == orders.store.time.now() + clock.seconds(5)


def test_the_queues_ttl_holds_for_messages_without_one(store: Store):
    orders = store.queue(ttl=5)
    own, queues = orders.one(ttl=50), orders.one()
    store.pass_time(5)
    assert store.states([own, queues]) == ["ready", "gone"]


def test_ttl_never_cuts_a_lease(orders: Orders):
    orders.one(ttl=5)
    held = orders.take()
    orders.store.pass_time(20)
    assert orders.store.state(held.id) == "leased"
    assert orders.ack(held) == ["ok"]


@pytest.mark.parametrize("kind", ["nack", "release", "lose"])
def test_a_message_that_returns_after_its_ttl_expires(orders: Orders, kind: str):
    orders.one(ttl=5)
    held = orders.take()
    orders.store.pass_time(10)
    assert orders.settle(kind, held) == ["ok"]
    assert orders.store.state(held.id) == "gone"
    assert orders.store.outcome.counts["expired", orders.row.pk] == 1


def test_a_lease_that_ends_after_the_ttl_expires_the_message(orders: Orders):
    orders.one(ttl=5)
    held = orders.take()
    orders.store.pass_time(30)
    assert orders.store.state(held.id) == "gone"


def test_a_message_expires_while_it_backs_off(orders: Orders):
    orders.one(ttl=5)
    held = orders.take()
    orders.nack(held, delay=60)
    orders.store.pass_time(5)
    assert orders.store.state(held.id) == "gone"


def test_expired_messages_are_dead_where_the_queue_says_so(store: Store):
    orders = store.queue(on_expire="dead")
    waiting = orders.one(ttl=5)
    held = orders.one(ttl=5, priority=9)
    lease = orders.take()
    store.pass_time(5)
    assert orders.nack(lease, error="too late") == ["ok"]
    assert [(store.state(i), store.message(i).reason) for i in (waiting, held)] == [("dead", "expired")] * 2
    assert store.message(held).last_error == "too late"
    store.pass_time(60)
    assert orders.counts() == {"dead": 2}, "the dead do not expire"


def test_a_redriven_message_gets_its_ttl_again(store: Store):
    orders = store.queue(on_expire="dead")
    id = orders.one(ttl=5)
    store.pass_time(5)
    store.do(control.requeue, "orders", id)
    store.pass_time(4)
    assert orders.take().id == id


def test_failures_are_removed_with_an_expired_message(orders: Orders):
    id = orders.one(ttl=5)
    orders.nack(orders.take(), delay=0)
    orders.store.pass_time(5)
    assert orders.failures(id) == []


# Leases


def test_a_lease_lasts_as_long_as_the_queue_says_unless_asked_for(orders: Orders):
    orders.publish(1, 2)
    now = orders.store.time.now()
    first, second = orders.take(), orders.lease(lease=5)[0]
    assert (first.lease, first.lease_until) == (30, now + clock.seconds(30))
    assert (second.lease, second.lease_until) == (5, now + clock.seconds(5))


@pytest.mark.parametrize("keyed", [False, True])
def test_a_lease_ends_at_its_deadline_not_when_a_duty_notices(store: Store, keyed: bool):
    orders = store.queue(keyed=keyed)
    orders.one(key="k")
    held = orders.take()
    store.time.advance(30)
    for kind in ("ack", "nack", "release", "dead", "extend", "lose"):
        assert orders.settle(kind, held) == ["lease_lost"]
    assert store.state(held.id) == "leased"


@pytest.mark.parametrize("keyed", [False, True])
def test_an_expired_lease_is_a_failure_and_waits_by_the_queues_backoff(store: Store, keyed: bool):
    orders = store.queue(keyed=keyed, backoff={"initial": 10, "factor": 3, "jitter": 0})
    messages = [NewMessage(b"1", key="k"), NewMessage(b"2", key="k" if keyed else None)]
    first, second = (accepted.id for accepted in orders.publish_all(messages))
    held = orders.lease(holder="slow")[0]
    for wait in (10, 30):
        store.pass_time(30)
        assert store.state(first) == "scheduled"
        assert store.state(second) == ("blocked" if keyed else "ready")
        store.pass_time(wait - 1)
        assert store.state(first) == "scheduled"
        store.pass_time(1)
        again = orders.lease()[0]
        assert again.id == first  # at its old place, and it kept its key
    assert (again.attempts, again.failures) == (3, 2)
    assert orders.failures(held.id)[0] == (1, "lease_expired", "slow", None)


def test_the_duty_ends_leases_in_bounded_steps_and_says_whose(orders: Orders):
    orders.publish(1, 2, 3)
    receipts = [m.receipt for m in orders.lease(3)]
    orders.store.time.advance(30)
    orders.store.do(duties.expire_leases, 2)
    assert orders.store.outcome.ended == receipts[:2]
    assert (orders.store.outcome.due_at or 0) > orders.store.time.now()
    assert [orders.store.do(duties.expire_leases, 2) for _ in range(2)] == [1, 0]


def test_a_late_ack_cannot_settle_a_message_that_was_handed_out_again(orders: Orders):
    orders.one()
    first = orders.take()
    orders.store.pass_time(31)
    orders.store.pass_time(2)
    second = orders.take()
    assert orders.ack(first) == ["lease_lost"]
    assert orders.ack(second) == ["ok"]


def test_extending_counts_from_now(orders: Orders):
    orders.one()
    held = orders.take()
    orders.store.time.advance(20)
    assert orders.settle("extend", held, lease=60) == ["ok"]
    assert orders.store.outcome.extended == [(held.receipt, orders.store.time.now() + clock.seconds(60))]
    orders.store.pass_time(59)
    assert orders.ack(held) == ["ok"]


def test_extending_without_a_length_takes_the_queues(orders: Orders):
    orders.one()
    held = orders.lease(lease=5)[0]
    orders.settle("extend", held)
    orders.store.pass_time(29)
    assert orders.ack(held) == ["ok"]


def test_extending_may_shorten_and_tells_the_duty(orders: Orders):
    orders.one()
    held = orders.take()
    orders.settle("extend", held, lease=1)
    assert orders.store.outcome.due_at == orders.store.time.now() + clock.seconds(1)
    orders.store.pass_time(1)
    assert orders.store.state(held.id) == "scheduled"


def test_after_a_stop_leases_run_on_for_the_time_they_had_left(orders: Orders):
    orders.publish(1, 2)
    orders.lease(lease=10)
    orders.store.time.advance(20)
    seen = orders.store.time.now()
    running = orders.take()
    orders.store.time.advance(3600)
    orders.store.do(duties.shift_leases, orders.store.time.now() - seen, seen)
    orders.store.run_duties()
    assert orders.counts() == {"scheduled": 1, "leased": 1}
    orders.store.pass_time(29)
    assert orders.ack(running) == ["ok"]


def test_the_newest_instant_is_that_of_what_was_stored_last(orders: Orders):
    orders.store.time.advance(5)
    orders.publish_all([NewMessage(b"1", deliver_at=orders.store.time.now() + clock.seconds(999))])
    assert orders.store.do(duties.newest_instant) == orders.store.time.now()


def test_the_next_work_is_the_earliest_of_all_kinds(orders: Orders):
    assert orders.store.do(duties.next_work) is None
    now = orders.store.time.now()
    orders.one()
    orders.lease()
    orders.one(delay=20)
    orders.one(ttl=40)
    assert orders.store.do(duties.next_work) == now + clock.seconds(20)
    orders.store.pass_time(20)
    assert orders.store.do(duties.next_work) == now + clock.seconds(30)
    orders.store.pass_time(10)
    assert now + clock.seconds(30) < orders.store.do(duties.next_work) < now + clock.seconds(32)
    orders.store.pass_time(2)
    assert orders.store.do(duties.next_work) == now + clock.seconds(40)
