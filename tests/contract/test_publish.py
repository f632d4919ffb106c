"""Publish: all or none, in order, once per dedup_id, within the queue's limits."""

from __future__ import annotations

import pytest

from brokerweb.core import batches
from brokerweb.core.errors import NotFound, QueueFull, TooLarge
from brokerweb.queues import control, duties, engine, publishing
from brokerweb.queues.messages import Accepted, NewMessage
from brokerweb.queues.models import Dedup
from brokerweb.storage.transaction import Transaction
from tests.contract.store import Orders, Store


def test_a_message_comes_out_as_it_went_in(orders: Orders):
    new = NewMessage(
        b'{"a": 1.0, "a": 2}', False, "customer", '{"source":"shop"}', "application/json", 7, ttl=60, reply_to="queue:a",
        correlation_id="c1",
    )  # fmt: skip
    orders.publish_all([new])
    out = orders.take()
    assert (out.body, out.binary, out.key, out.headers, out.content_type) == (
        new.body, False, "customer", '{"source":"shop"}', "application/json",
    )  # fmt: skip
    assert (out.priority, out.reply_to, out.correlation_id) == (7, "queue:a", "c1")
    assert (out.attempts, out.failures, out.published_at) == (1, 0, orders.store.time.now())
    assert orders.store.message(out.id).publisher == "shop"


def test_bytes_stay_bytes(orders: Orders):
    orders.publish_all([NewMessage(b"\x00\xff", binary=True)])
    out = orders.take()
    assert (out.body, out.binary) == (b"\x00\xff", True)


@pytest.mark.parametrize("name", ["sequence", "queue", "stream", "topic"])
def test_no_name_is_taken_by_what_a_transaction_remembers(store: Store, name: str):
    def publish_twice(tx: Transaction) -> list[Accepted]:
        before = engine.publish(tx, "orders", [NewMessage(b"0")])
        return [*before, *engine.publish(tx, name, [NewMessage(b"1")]), *engine.publish(tx, "orders", [NewMessage(b"2")])]

    orders = store.queue("orders")
    named = store.queue(name)
    ids = [accepted.id for accepted in store.do(publish_twice)]
    assert (orders.drain(), named.drain()) == ([ids[0], ids[2]], [ids[1]])


def test_an_unknown_queue_is_not_found(store: Store):
    with pytest.raises(NotFound):
        store.do(engine.publish, "nowhere", [NewMessage(b"1")])


def test_one_body_too_large_refuses_all(store: Store):
    orders = store.queue(max_body_bytes=3)
    with pytest.raises(TooLarge) as refused:
        orders.publish("123", "1234")
    assert refused.value.extra["errors"][0]["pointer"] == "/messages/1/body"
    assert orders.counts() == {}
    assert orders.publish("123")


def test_order_is_by_priority_then_by_position(orders: Orders):
    low, high = orders.publish(1, 2, priority=0), orders.publish(3, 4, priority=9)
    middle = orders.publish(5, 6)
    assert orders.drain(limit=2) == high + middle + low


def test_ids_rise_in_the_order_of_the_batch(orders: Orders):
    ids = orders.publish(*range(20)) + orders.publish(*range(5))
    assert ids == sorted(set(ids))


def test_an_id_is_never_used_again(orders: Orders):
    first = orders.one()
    receipt = orders.take()
    orders.ack(receipt)
    second = orders.one()
    again = orders.take()
    assert second > first
    assert orders.ack(receipt) == ["lease_lost"]
    assert orders.ack(again) == ["ok"]


def test_ids_of_a_failed_commit_were_seen_by_nobody_and_are_taken_later(orders: Orders):
    def publish_and_fail(tx):
        engine.publish(tx, "orders", [NewMessage(b"1")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        orders.store.do(publish_and_fail)
    assert orders.counts() == {}
    ids = orders.publish(1, 2)
    assert orders.drain() == ids


# Dedup


def test_a_repeated_dedup_id_answers_with_the_first_message(orders: Orders):
    [first] = orders.publish_all([NewMessage(b"1", dedup_id="a")])
    [second] = orders.publish_all([NewMessage(b"2", dedup_id="a")])
    assert (first.duplicate, second.duplicate, second.id) == (False, True, first.id)
    assert orders.counts() == {"ready": 1}


def test_a_batch_may_repeat_itself(orders: Orders):
    messages = [NewMessage(b"1", dedup_id=d) for d in ("a", "b", "a")] + [NewMessage(b"1"), NewMessage(b"1", dedup_id="b")]
    answers = orders.publish_all(messages)
    a, b, a2, plain, b2 = answers
    assert [x.duplicate for x in answers] == [False, False, True, False, True]
    assert (a2.id, b2.id) == (a.id, b.id)
    assert len({a.id, b.id, plain.id}) == 3
    assert orders.counts() == {"ready": 3}


def test_known_and_new_dedup_ids_mix(orders: Orders):
    [known] = orders.publish_all([NewMessage(b"1", dedup_id="k")])
    answers = orders.publish_all([NewMessage(b"1", dedup_id=d) for d in ("n", "k", "n")])
    assert [a.duplicate for a in answers] == [False, True, True]
    assert (answers[1].id, answers[2].id) == (known.id, answers[0].id)


def test_a_dedup_id_is_remembered_when_its_message_is_gone(orders: Orders):
    [first] = orders.publish_all([NewMessage(b"1", dedup_id="a")])
    orders.drain()
    [again] = orders.publish_all([NewMessage(b"1", dedup_id="a")])
    assert again == Accepted(first.id, True)
    assert orders.counts() == {}


def test_the_window_counts_from_the_first_acceptance(store: Store):
    orders = store.queue(dedup_window=10)
    first = orders.publish_all([NewMessage(b"1", dedup_id="a")])[0]
    store.time.advance(9)
    assert orders.publish_all([NewMessage(b"1", dedup_id="a")])[0].duplicate
    store.time.advance(1)
    fresh = orders.publish_all([NewMessage(b"1", dedup_id="a")])[0]
    assert not fresh.duplicate
    assert fresh.id > first.id
    store.time.advance(9)
    assert orders.publish_all([NewMessage(b"1", dedup_id="a")])[0] == Accepted(fresh.id, True)


def test_dedup_ids_are_per_queue(store: Store):
    first, second = store.queue("first"), store.queue("second")
    first.one(dedup_id="a")
    assert not second.publish_all([NewMessage(b"1", dedup_id="a")])[0].duplicate


def test_a_refused_publish_leaves_no_dedup_id(store: Store):
    orders = store.queue(max_length=1)
    with pytest.raises(QueueFull):
        orders.publish_all([NewMessage(b"1", dedup_id="a"), NewMessage(b"2")])
    assert Dedup.objects.using(store.alias).count() == 0
    assert not orders.publish_all([NewMessage(b"1", dedup_id="a")])[0].duplicate


def test_a_duplicate_needs_no_room(store: Store):
    orders = store.queue(max_length=1)
    orders.one(dedup_id="a")
    assert orders.publish_all([NewMessage(b"1", dedup_id="a")] * 3)[2].duplicate


def test_the_duty_forgets_dedup_ids_past_their_window_in_steps(store: Store):
    orders = store.queue(dedup_window=10)
    orders.publish_all([NewMessage(b"1", dedup_id=str(i)) for i in range(5)])
    assert store.do(duties.forget_dedup, 3) == 0
    store.time.advance(11)
    orders.one(dedup_id="late")
    assert [store.do(duties.forget_dedup, 3) for _ in range(3)] == [3, 2, 0]
    assert list(Dedup.objects.using(store.alias).values_list("dedup_id", flat=True)) == ["late"]


# max_length


def test_a_full_queue_refuses_the_whole_publish(store: Store):
    orders = store.queue(max_length=3)
    orders.publish(1, 2)
    with pytest.raises(QueueFull) as refused:
        orders.publish(3, 4)
    assert refused.value.retryable
    assert orders.counts() == {"ready": 2}
    orders.one(3)


def test_leased_and_scheduled_messages_count_and_dead_ones_do_not(store: Store):
    orders = store.queue(max_length=2)
    orders.kill()
    orders.one()
    orders.lease()
    orders.one(delay=60)
    with pytest.raises(QueueFull):
        orders.one()
    assert orders.counts() == {"dead": 1, "leased": 1, "scheduled": 1}


def test_settling_makes_room(store: Store):
    orders = store.queue(max_length=1)
    orders.one()
    orders.ack(orders.take())
    assert orders.one()


def test_overflow_buries_the_oldest_that_wait(store: Store):
    orders = store.queue(max_length=3, overflow="dead_letter_oldest")
    old = orders.publish(1, 2)
    held = orders.take()
    new = orders.publish(3, 4)
    assert store.states([*old, *new]) == ["leased", "dead", "ready", "ready"]
    assert store.message(old[1]).reason == "overflow"
    assert orders.ack(held) == ["ok"]


@pytest.mark.parametrize("n", [1, 7, 8, 49, 50, 117])
def test_a_batch_of_any_size_is_stored_whole_and_in_its_order(orders: Orders, n: int):
    orders.publish(*range(n))
    assert [message.body for message in orders.lease(n)] == [str(i).encode() for i in range(n)]


@pytest.mark.parametrize("keyed", [False, True])
def test_a_publish_larger_than_the_queue_leaves_the_newest_as_one_by_one(store: Store, keyed: bool):
    orders = store.queue(max_length=2, overflow="dead_letter_oldest", keyed=keyed)
    old = orders.publish(1, 2, key="a")
    new = orders.publish(3, 4, 5, key="a")
    assert store.states([*old, *new]) == ["dead", "dead", "dead", "ready", "blocked" if keyed else "ready"]
    assert store.message(new[0]).reason == "overflow"
    assert [message.body for message in orders.lease(2)] == ([b"4"] if keyed else [b"4", b"5"])


def test_a_publish_larger_than_what_leases_leave_buries_its_own_first(store: Store):
    orders = store.queue(max_length=2, overflow="dead_letter_oldest")
    orders.one()
    orders.lease()
    assert store.states(orders.publish(2, 3, 4)) == ["dead", "dead", "ready"]
    assert orders.counts() == {"leased": 1, "ready": 1, "dead": 2}


def test_leased_messages_are_not_overflow(store: Store):
    orders = store.queue(max_length=1, overflow="dead_letter_oldest")
    orders.one()
    orders.lease()
    with pytest.raises(QueueFull):
        orders.one()


def test_a_lower_limit_is_reached_by_burying_as_many_as_needed(store: Store):
    orders = store.queue(max_length=9, overflow="dead_letter_oldest")
    orders.publish(*range(6))
    store.do(control.declare, "orders", {"max_length": 2})
    orders.one()
    assert orders.counts() == {"ready": 2, "dead": 5}


def test_a_limit_lowered_far_is_reached_step_by_step_with_each_publish(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(publishing, "SHRINK", 3)
    orders = store.queue(max_length=20, overflow="dead_letter_oldest")
    old = orders.publish(*range(10))
    store.do(control.declare, "orders", {"max_length": 2})
    orders.one()
    assert orders.counts() == {"ready": 7, "dead": 4}
    assert store.states(old[:5]) == ["dead"] * 4 + ["ready"]
    orders.publish("x", "y")
    assert orders.counts() == {"ready": 4, "dead": 9}
    orders.one()
    orders.one()
    assert orders.counts() == {"ready": 2, "dead": 13}


def test_a_lowered_limit_is_reached_in_smaller_steps_where_messages_are_large(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    orders = store.queue(max_length=20, overflow="dead_letter_oldest")
    old = orders.publish(*["x" * 9] * 10)
    store.do(control.declare, "orders", {"max_length": 2})
    orders.one()
    assert store.states(old) == ["dead"] * 2 + ["ready"] * 8
    orders.publish("x", "y", "z")  # as many as it stores go in any case
    assert orders.counts() == {"ready": 9, "dead": 5}


def test_overflow_of_a_key_leaves_exactly_max_length(store: Store):
    orders = store.queue(keyed=True, max_length=3, overflow="dead_letter_oldest")
    old = orders.publish(1, 2, 3, key="a")
    new = orders.publish(4, 5, key="a")
    assert store.states([*old, *new]) == ["dead", "dead", "ready", "blocked", "blocked"]
