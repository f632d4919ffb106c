"""A requeue or a resume is taken back exactly, and only while nobody has acted on what it did."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from brokerweb.core.errors import Conflict
from brokerweb.queues import control, undoing
from brokerweb.queues.models import Message, Queue
from tests.contract.store import Orders, Store

Undo = Callable[[], None]


def everything(orders: Orders, id: int) -> dict[str, Any]:
    return dict(Message.objects.using(orders.store.alias).filter(pk=id).values().get())


def requeued(orders: Orders, id: int) -> Undo:
    """Requeue it; how to take that back, from what a row of JSON remembers."""
    before = json.loads(json.dumps(orders.store.do(undoing.requeue, orders.name, id)))
    return lambda: orders.store.do(undoing.undo_requeue, orders.name, before)


def killed_with(orders: Orders, error: str) -> int:
    id = orders.one(ttl=1000, priority=7)
    orders.nack(orders.take(), delay=0, error="first")
    orders.settle("dead", orders.take(), error=error)
    return id


@pytest.mark.parametrize("error", ["bad", "", "e" * 2000, "\U0001f98a\u202e\n"])
def test_a_dead_letter_that_was_put_back_is_dead_again_as_it_was(orders: Orders, error: str):
    id = killed_with(orders, error)
    was = everything(orders, id)
    orders.store.time.advance(5)
    undo = requeued(orders, id)
    assert orders.counts() == {"ready": 1}
    orders.store.time.advance(5)
    undo()
    assert everything(orders, id) == was
    assert orders.counts() == {"dead": 1}
    assert orders.lease() == []


def test_what_waited_for_its_time_or_its_backoff_waits_on(orders: Orders):
    later, failed = orders.one(delay=100), orders.one()
    orders.nack(*orders.lease(), delay=50, error="x")
    for id in (later, failed):
        was = everything(orders, id)
        requeued(orders, id)()
        assert everything(orders, id) == was
    orders.store.pass_time(60)
    assert orders.store.states([later, failed]) == ["scheduled", "ready"]
    orders.store.pass_time(60)
    assert orders.drain() == [later, failed]


def test_what_fell_due_in_between_is_ready_at_its_old_place(orders: Orders):
    failed = orders.one()
    orders.nack(*orders.lease(), delay=1)
    undo = requeued(orders, failed)
    newer = orders.one()
    orders.store.pass_time(5)
    undo()
    orders.store.run_duties()
    assert orders.drain() == [failed, newer]


@pytest.mark.parametrize("then", ["held", "came back", "acked", "deleted", "rescheduled", "dead again", "requeued again"])
def test_what_somebody_acted_upon_since_stays_as_it_is(orders: Orders, then: str):
    id = orders.kill()
    undo = requeued(orders, id)
    if then in ("held", "came back", "acked", "dead again", "requeued again"):
        held = orders.take()
        if then == "came back":
            orders.settle("release", held)
        elif then == "acked":
            orders.ack(held)
        elif then != "held":
            orders.settle("dead", held, error="again")
            if then == "requeued again":
                requeued(orders, id)
    elif then == "deleted":
        orders.store.do(control.delete_message, orders.name, id)
    else:
        orders.store.do(control.reschedule, orders.name, id, due_at=orders.store.time.now() + 10**6)
    counts = orders.counts()
    with pytest.raises(Conflict, match="nothing is undone"):
        undo()
    assert orders.counts() == counts


def test_it_is_undone_once(orders: Orders):
    undo = requeued(orders, orders.kill())
    undo()
    with pytest.raises(Conflict, match="nothing is undone"):
        undo()
    assert orders.counts() == {"dead": 1}


def test_a_head_that_is_taken_back_lets_the_next_of_its_key_follow(store: Store):
    keyed = store.queue(keyed=True)
    id = keyed.kill(key="a")
    undo = requeued(keyed, id)
    behind = keyed.one(key="a")
    assert store.states([id, behind]) == ["ready", "blocked"]
    undo()
    assert store.states([id, behind]) == ["dead", "ready"]


def test_one_behind_the_head_of_its_key_is_taken_back_alone(store: Store):
    keyed = store.queue(keyed=True)
    id = keyed.kill(key="a")
    head = keyed.one(key="a")
    undo = requeued(keyed, id)
    assert store.states([head, id]) == ["ready", "blocked"]
    undo()
    assert store.states([head, id]) == ["ready", "dead"]


def test_a_delayed_message_of_a_key_waits_on(store: Store):
    keyed = store.queue(keyed=True)
    head, later = keyed.one(key="a"), keyed.one(key="a", delay=10)
    undo = requeued(keyed, later)
    assert store.states([head, later]) == ["ready", "blocked"]
    undo()
    assert store.states([head, later]) == ["ready", "scheduled"]


def test_a_failed_head_holds_its_key_again_unless_the_next_has_taken_it(store: Store):
    keyed = store.queue(keyed=True)
    head = keyed.one(key="a")
    keyed.nack(*keyed.lease(), delay=50)
    was = everything(keyed, head)
    requeued(keyed, head)()
    assert everything(keyed, head) == was
    behind = keyed.one(key="a")
    undo = requeued(keyed, head)
    assert store.states([head, behind]) == ["blocked", "ready"]
    with pytest.raises(Conflict, match="nothing is undone"):
        undo()
    assert store.states([head, behind]) == ["blocked", "ready"]


def test_a_queue_that_was_resumed_is_paused_as_it_was(orders: Orders):
    orders.store.do(control.pause, orders.name, reason="a \u202e reason", by="ana")
    was = paused(orders)
    orders.store.time.advance(5)
    before = json.loads(json.dumps(orders.store.do(undoing.resume, orders.name)))
    orders.one()
    orders.store.do(undoing.undo_resume, orders.name, before)
    assert paused(orders) == was
    assert orders.lease() == []
    with pytest.raises(Conflict, match="paused anew"):
        orders.store.do(undoing.undo_resume, orders.name, before)
    orders.store.do(control.resume, orders.name)
    assert orders.store.do(undoing.resume, orders.name) is None


def paused(orders: Orders) -> dict[str, Any]:
    found = Queue.objects.using(orders.store.alias).filter(name=orders.name)
    return dict(found.values("paused_at", "paused_by", "pause_reason").get())
