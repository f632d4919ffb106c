"""What pausing, deleting and moving mean for messages and leases."""

from __future__ import annotations

import pytest

from brokerweb.core.errors import NotFound
from brokerweb.queues import control, duties, engine, leasing, retirement
from brokerweb.queues.filters import parse
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Dedup, Failure, Message, Queue, QueueCount
from tests.contract.store import Orders, Store


def test_a_paused_queue_hands_out_nothing_and_takes_everything_else(orders: Orders):
    orders.publish(1, 2)
    held = orders.take()
    orders.store.do(control.pause, "orders", reason="upgrade", by="ada")
    handout = orders.store.do(leasing.lease, "orders", 5, engine.Terms("w"))
    assert (handout.messages, handout.paused) == ([], True)
    wants = [leasing.Want(5, engine.Terms("w"))]
    assert orders.store.do(leasing.lease_round, orders.row.pk, wants)[1].paused
    assert orders.store.do(engine.lease_alone, orders.row.pk, engine.Terms("w")).paused
    orders.one()
    assert orders.ack(held) == ["ok"]
    orders.store.do(control.resume, "orders")
    assert orders.store.outcome.ready == {orders.row.pk}
    assert len(orders.lease(5)) == 2


def test_timers_run_on_while_a_queue_is_paused(orders: Orders):
    orders.publish(1, 2)
    orders.lease(2)
    orders.one(delay=5)
    orders.store.do(control.pause, "orders", reason="", by="ada")
    orders.store.pass_time(30)
    assert orders.counts() == {"ready": 1, "scheduled": 2}
    orders.store.pass_time(2)
    assert orders.counts() == {"ready": 3}


def test_a_deleted_queue_is_gone_for_every_verb(orders: Orders):
    orders.one()
    held, id = orders.take(), orders.row.pk
    orders.store.do(control.delete, "orders")
    assert orders.store.outcome.changed == {id}
    for verb, args in ((engine.publish, ([NewMessage(b"1")],)), (leasing.lease, (1, engine.Terms("w")))):
        with pytest.raises(NotFound):
            orders.store.do(verb, "orders", *args)
    with pytest.raises(NotFound):
        orders.store.do(leasing.lease_round, id, [leasing.Want(1, engine.Terms("w"))])
    assert orders.ack(held) == ["lease_lost"]


def test_the_name_of_a_deleted_queue_is_free_at_once_and_starts_empty(orders: Orders):
    orders.one(dedup_id="a")
    orders.store.do(control.delete, "orders")
    again = orders.store.queue("orders")
    assert again.lease() == []
    assert not again.publish_all([NewMessage(b"1", dedup_id="a")])[0].duplicate


def test_duties_clear_away_what_a_deleted_queue_had_due_and_serve_the_others(store: Store):
    doomed, other = store.queue("doomed"), store.queue("other")
    for queue in (doomed, other):
        queue.publish(1, 2)
        queue.lease(holder="ws:node/1/1")
        queue.one(delay=1)
        queue.one(ttl=1)
    store.do(control.delete, "doomed")
    store.pass_time(1)
    assert other.counts() == {"ready": 2, "leased": 1}
    store.pass_time(30)
    assert other.counts() == {"ready": 2, "scheduled": 1}
    store.pass_time(2)
    assert other.counts() == {"ready": 3}
    assert store.do(duties.next_work) is None, "what is left of the other is in nobody's way"
    other.lease(holder="ws:node/1/1")
    while store.do(duties.release_sockets):
        pass
    assert other.counts() == {"ready": 3}


def test_what_sockets_held_of_a_deleted_queue_goes_with_its_failures(orders: Orders):
    id = orders.one()
    orders.nack(orders.take(), delay=0)
    orders.lease(holder="ws:node/1/1")
    orders.store.do(control.delete, "orders")
    assert orders.store.do(duties.release_sockets) == 1
    assert (orders.store.state(id), orders.failures(id)) == ("gone", [])


def test_leases_of_a_deleted_queue_are_lost_however_many_are_settled_at_once(orders: Orders):
    orders.publish(*range(5))
    held = orders.lease(5)
    orders.store.do(control.delete, "orders")
    assert orders.ack(*held) == ["lease_lost"] * 5
    assert orders.nack(held[0]) == ["lease_lost"]


def test_nothing_is_left_of_a_deleted_queue(orders: Orders):
    orders.publish(1, 2, 3, dedup_id="a")
    orders.publish(*range(5))
    orders.nack(orders.take(), delay=0)
    held, queue_id = orders.take(), orders.row.pk
    orders.store.do(control.delete, "orders")
    ended, told = [], []
    while orders.store.do(retirement.sweep_deleted, 2):
        ended += orders.store.outcome.ended
        told += list(orders.store.outcome.counts)
    assert ended == [held.receipt]
    assert told == [("removed", queue_id)], "else its figures would be kept for ever"
    for model in (Queue, Message, Failure, Dedup, QueueCount):
        assert not model._default_manager.using(orders.store.alias).exists(), model


def test_a_deleted_message_loses_its_lease(orders: Orders):
    orders.one()
    held = orders.take()
    orders.store.do(control.delete_message, "orders", held.id)
    assert orders.store.outcome.ended == [held.receipt]
    assert orders.ack(held) == ["lease_lost"]


def test_a_requeued_message_joins_the_end_and_forgets_its_failures(orders: Orders):
    dead = orders.kill()
    others = orders.publish(2, 3)
    orders.store.do(control.requeue, "orders", dead)
    assert orders.drain(limit=1) == [*others, dead]


def test_a_redriven_message_keeps_its_id_and_gets_a_new_position(store: Store):
    orders, other = store.queue(), store.queue("other")
    dead = orders.kill()
    first = other.one()
    assert store.do(control.redrive, "orders", parse({}), to="other") == 1
    assert (orders.counts(), other.counts()) == ({}, {"ready": 2})
    assert other.drain() == [first, dead]


def test_a_position_taken_by_a_requeue_is_no_later_messages_id(orders: Orders):
    dead = orders.kill()
    orders.store.do(control.requeue, "orders", dead)
    position = orders.store.message(dead).position
    assert orders.one() > position


def test_an_edited_copy_takes_the_originals_place_and_names_it(orders: Orders):
    dead = orders.kill()
    copy = orders.store.do(control.replace, "orders", dead, NewMessage(b"2"), publisher="ada")
    assert orders.store.states([dead, copy]) == ["gone", "ready"]
    assert orders.store.message(copy).parent == dead


def test_what_happened_is_told_once_after_the_commit(orders: Orders):
    queue = orders.row.pk

    def told() -> dict[str, int]:
        return {name: n for (name, id), n in orders.store.outcome.counts.items() if id == queue}

    orders.publish(1, 2, 3, 4)
    assert told() == {"published": 4}
    a, b, c, d = orders.lease(4)
    assert told() == {"delivered": 4}
    orders.ack(a, b)
    assert told() == {"acked": 2}
    assert orders.store.outcome.ended == [a.receipt, b.receipt]
    orders.nack(c)
    assert told() == {"failed": 1}
    orders.settle("release", d)
    assert told() == {"released": 1}
    orders.settle("dead", orders.take())
    assert told() == {"dead": 1}
