"""Hand-over: a message somebody waits for is stored already leased to them, in its publish commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connections

from brokerweb.core import clock
from brokerweb.handout.lease import lease_to_takers
from brokerweb.queues import control, duties, engine, leasing
from brokerweb.queues.messages import Accepted, NewMessage, Settle
from tests.contract.store import Orders, Store, behind_its_back


@dataclass(eq=False)
class Waiting:
    """Somebody who waits for up to ``room`` messages."""

    holder: str
    room: int
    lease: float | None = None
    acknowledge: bool = True
    most_bytes: int | None = None
    unsettled: int = 0

    @property
    def terms(self) -> engine.Terms:
        return engine.Terms(self.holder, self.lease, self.acknowledge)


class FakeHandOver:
    """Offers the room of those who wait, first come first served."""

    def __init__(self, *waiting: Waiting) -> None:
        self.waiting = list(waiting)
        self.asked: list[int] = []
        self.cancelled: list[tuple[Waiting, int]] = []

    def has_room(self, queue_id: int) -> bool:
        return any(one.room for one in self.waiting)

    def reserve(self, queue_id: int, wanted: int) -> Sequence[Any]:
        self.asked.append(wanted)
        reserved = []
        for one in self.waiting:
            n = min(one.room, wanted)
            if n:
                one.room -= n
                wanted -= n
                reserved.append((one, n))
        return reserved

    def reserve_all(self, queue_id: int) -> Sequence[Any]:
        return self.reserve(queue_id, sum(one.room for one in self.waiting))

    def cancel(self, reserved: Sequence[Any]) -> None:
        self.cancelled += reserved
        for one, n in reserved:
            one.room += n


def waits(store: Store, *waiting: Waiting) -> FakeHandOver:
    store.handover = handover = FakeHandOver(*waiting)
    return handover


def test_a_message_is_stored_leased_to_whoever_waits(orders: Orders):
    waits(orders.store, Waiting("socket", 5, lease=7))
    id = orders.one("body", key="k", priority=2)
    [(taker, [handed])] = orders.store.outcome.handed
    message = orders.store.message(id)
    until = orders.store.time.now() + clock.seconds(7)
    assert (message.state, message.attempts, message.holder) == (3, 1, "socket")
    assert message.due_at == clock.to_datetime(until)
    assert (taker.holder, handed.id, handed.body, handed.key, handed.priority) == ("socket", id, b"body", "k", 2)
    assert (handed.attempts, handed.lease, handed.lease_until) == (1, 7, until)
    assert orders.ack(handed) == ["ok"]


def test_what_is_handed_over_looks_as_if_it_had_been_leased(orders: Orders):
    new = NewMessage(b"1", True, "k", "{}", "text/plain", 3, ttl=60, reply_to="queue:r", correlation_id="c")
    orders.publish_all([new])
    leased = orders.take()
    waits(orders.store, Waiting("worker", 1))
    orders.publish_all([new])
    [(_, [handed])] = orders.store.outcome.handed
    handed.id, handed.position, handed.receipt, handed.checksum = leased.id, leased.position, leased.receipt, leased.checksum
    assert handed == leased


def test_the_duty_is_told_of_the_deadline(orders: Orders):
    waits(orders.store, Waiting("socket", 1, lease=7))
    id = orders.one()
    assert orders.store.outcome.due_at == orders.store.time.now() + clock.seconds(7)
    orders.store.pass_time(7)
    assert orders.store.message(id).failures == 1


def test_what_nobody_has_room_for_is_ready(orders: Orders):
    waits(orders.store, Waiting("a", 1), Waiting("b", 1))
    ids = orders.publish(1, 2, 3)
    assert orders.store.states(ids) == ["leased", "leased", "ready"]
    assert orders.store.outcome.ready == {orders.row.pk}
    assert [(t.holder, [m.id for m in ms]) for t, ms in orders.store.outcome.handed] == [("a", ids[:1]), ("b", ids[1:2])]


def test_the_highest_priority_is_handed_over_first(orders: Orders):
    waits(orders.store, Waiting("a", 2))
    low, high, middle = orders.publish_all([NewMessage(b"1", priority=p) for p in (0, 9, 5)])
    [(_, handed)] = orders.store.outcome.handed
    assert [m.id for m in handed] == [high.id, middle.id]
    assert orders.store.state(low.id) == "ready"


def test_one_frame_has_its_messages_by_priority(orders: Orders):
    waits(orders.store, Waiting("a", 9))
    low, high, same = orders.publish_all([NewMessage(b"1", priority=p) for p in (0, 9, 9)])
    [(_, handed)] = orders.store.outcome.handed
    assert [m.id for m in handed] == [high.id, same.id, low.id]


def test_nothing_overtakes_what_is_ready(orders: Orders):
    first = orders.one()
    handover = waits(orders.store, Waiting("a", 5))
    second = orders.one(priority=9)
    assert orders.store.states([first, second]) == ["ready", "ready"]
    assert handover.asked == []


def test_nothing_overtakes_what_became_ready_in_the_same_commit(orders: Orders):
    held = orders.one()
    receipt = orders.take()
    due = orders.one(delay=5)
    waits(orders.store, Waiting("a", 5))

    def verbs(tx, ready):
        first = engine.publish(tx, "orders", [NewMessage(b"1")])[0].id
        ready(tx)
        return first, engine.publish(tx, "orders", [NewMessage(b"2")])[0].id

    def give_back(tx):
        engine.settle(tx, [Settle("release", receipt.receipt or "")])

    orders.store.time.advance(5)
    first, second = orders.store.do(verbs, give_back)
    assert orders.store.states([first, held, second]) == ["leased", "ready", "ready"]
    assert orders.take().id == held
    orders.ack(*orders.lease(9))
    first, second = orders.store.do(verbs, duties.promote)
    assert orders.store.states([first, due, second]) == ["leased", "ready", "ready"]


def test_nothing_overtakes_what_was_leased_in_the_same_commit(orders: Orders):
    """Answers to calls are sent behind what the commit hands over."""
    first = orders.one()
    waits(orders.store, Waiting("a", 5))

    def lease_and_publish(tx):
        taken = leasing.lease(tx, "orders", 1, engine.Terms("b")).messages
        return taken, engine.publish(tx, "orders", [NewMessage(b"2")])

    [taken], [second] = orders.store.do(lease_and_publish)
    assert taken.id == first
    assert orders.store.outcome.handed == []
    assert orders.store.state(second.id) == "ready"
    assert orders.store.outcome.ready


def test_a_paused_queue_hands_nothing_over(orders: Orders):
    handover = waits(orders.store, Waiting("a", 5))
    orders.store.do(control.pause, "orders", reason="", by="me")
    id = orders.one()
    assert (orders.store.state(id), handover.asked) == ("ready", [])


def test_delayed_and_blocked_messages_are_not_handed_over(store: Store):
    keyed = store.queue(keyed=True)
    handover = waits(store, Waiting("a", 5))
    first, second, later = (a.id for a in keyed.publish_all([NewMessage(b"1", key="k", delay=d) for d in (None, None, 9)]))
    assert store.states([first, second, later]) == ["leased", "blocked", "scheduled"]
    assert handover.asked == [1]
    assert store.message(first).holds_key
    [(_, [handed])] = store.outcome.handed
    assert keyed.ack(handed) == ["ok"]
    assert store.state(second) == "ready"


def test_a_duplicate_is_handed_to_nobody(orders: Orders):
    orders.one(dedup_id="a")
    orders.drain()
    handover = waits(orders.store, Waiting("a", 5))
    orders.one(dedup_id="a")
    assert (orders.store.outcome.handed, handover.asked) == ([], [])


def test_a_rolled_back_commit_gives_the_takers_their_room_back(orders: Orders):
    waiting = Waiting("a", 5)
    handover = waits(orders.store, waiting)

    def publish_and_fail(tx):
        engine.publish(tx, "orders", [NewMessage(b"1"), NewMessage(b"2")])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        orders.store.do(publish_and_fail)
    assert handover.cancelled == [(waiting, 2)]
    assert waiting.room == 5
    assert orders.counts() == {}


def test_without_acknowledgement_the_message_is_never_stored_and_its_id_is_burned(orders: Orders):
    waits(orders.store, Waiting("a", 1, acknowledge=False))
    id = orders.one()
    [(_, [handed])] = orders.store.outcome.handed
    assert (handed.id, handed.receipt) == (id, None)
    assert orders.counts() == {}
    orders.store.handover = None
    assert orders.one() > id


def test_a_burned_id_is_remembered_as_a_duplicate(orders: Orders):
    waits(orders.store, Waiting("a", 9, acknowledge=False))
    first = orders.one(dedup_id="x")
    assert orders.publish_all([NewMessage(b"1", dedup_id="x")])[0] == Accepted(first, True)


def test_the_very_first_message_of_a_store_may_be_burned(store: Store):
    orders = store.queue()
    if connections[store.alias].vendor == "sqlite":
        behind_its_back(store.alias, "DELETE FROM sqlite_sequence WHERE name = 'brokerweb_queues_message'")
    waits(store, Waiting("a", 1, acknowledge=False))
    assert orders.one() == 1
    assert orders.one() == 2


def test_takers_with_and_without_acknowledgement_mix(orders: Orders):
    waits(orders.store, Waiting("a", 1, acknowledge=False), Waiting("b", 1))
    ids = orders.publish(1, 2, 3)
    assert orders.store.states(ids) == ["gone", "leased", "ready"]


def test_a_key_whose_head_was_taken_without_acknowledgement_goes_on(store: Store):
    keyed = store.queue(keyed=True)
    waits(store, Waiting("a", 5, acknowledge=False))
    first, second, third = keyed.publish(1, 2, 3, key="k")
    assert store.states([first, second, third]) == ["gone", "ready", "blocked"]


def test_nothing_overtakes_what_follows_a_head_that_was_served_without_acknowledgement(store: Store):
    keyed = store.queue(keyed=True)
    first, second = keyed.publish(1, 2, key="k", priority=9)
    waits(store, Waiting("a", 5, acknowledge=False))

    def serve_and_publish(tx):
        lease_to_takers(tx, keyed.row.pk)
        return engine.publish(tx, "orders", [NewMessage(b"3")])[0].id

    third = store.do(serve_and_publish)
    assert store.states([first, second, third]) == ["gone", "ready", "ready"]


def test_django_code_hands_nothing_over(orders: Orders):
    from brokerweb.queues import publish

    id = publish("orders", {"a": 1})
    assert orders.store.state(id) == "ready"
