"""Dead letters end by their queue's ``dead_retention``, and by nothing else that passes."""

from __future__ import annotations

import pytest

from brokerweb.core import events
from brokerweb.queues import control, duties
from brokerweb.storage.run import perform
from tests.contract.store import Orders, Store

pytestmark = pytest.mark.django_db


def test_a_dead_letter_is_deleted_when_it_has_been_dead_for_so_long(store: Store):
    orders = store.queue("short", dead_retention=60)
    first = orders.kill("1")
    store.time.advance(30)
    second = orders.kill("2")
    store.time.advance(29.999)
    assert store.do(duties.end_dead) == 0
    store.time.advance(0.001)
    assert store.do(duties.end_dead) == 1
    assert store.states([first, second]) == ["gone", "dead"]
    assert orders.counts() == {"dead": 1}
    assert orders.failures(first) == []
    assert store.outcome.counts[events.DISCARDED, orders.row.pk] == 1
    assert store.do(duties.end_dead) == 0


def test_without_it_they_stay(store: Store, orders: Orders):
    id = orders.kill()
    store.time.advance(10 * 366 * 86_400)
    assert store.do(duties.end_dead) == 0
    assert store.state(id) == "dead"


def test_it_takes_none_that_live(store: Store):
    orders = store.queue("short", dead_retention=1)
    ids = [*orders.publish(1, 2), orders.one(3, delay=3600)]
    orders.lease()
    store.time.advance(20)
    assert store.do(duties.end_dead) == 0
    assert store.states(ids) == ["leased", "ready", "scheduled"]


def test_a_redriven_one_begins_anew_when_it_dies_again(store: Store):
    orders = store.queue("short", dead_retention=60)
    id = orders.kill()
    store.time.advance(59)
    store.do(control.requeue, "short", id)
    store.time.advance(5)
    assert store.do(duties.end_dead) == 0
    assert orders.settle("dead", *orders.lease()) == ["ok"]
    store.time.advance(59)
    assert store.do(duties.end_dead) == 0
    store.time.advance(1)
    assert store.do(duties.end_dead) == 1


def test_it_counts_for_those_that_are_dead_when_it_is_set(store: Store, orders: Orders):
    id = orders.kill()
    store.time.advance(120)
    store.do(control.declare, "orders", {"dead_retention": 60})
    assert store.do(duties.end_dead) == 1
    assert store.state(id) == "gone"


def test_turns_are_bounded_across_queues(store: Store):
    queues = [store.queue(name, dead_retention=1) for name in ("a", "b")]
    for queue in queues:
        for _ in range(3):
            queue.kill()
    store.time.advance(2)
    assert [store.do(duties.end_dead, 4) for _ in range(3)] == [4, 2, 0]


def test_large_ones_go_a_few_at_a_time(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("brokerweb.core.batches.TURN_BYTES", 2_500)
    orders = store.queue("large", dead_retention=1)
    for _ in range(5):
        orders.kill('"' + "x" * 1_000 + '"')
    store.time.advance(2)
    turns = []
    while n := store.do(duties.end_dead):
        turns.append((n, orders.counts().get("dead", 0)))
    assert turns == [(duties.LIMIT, 3), (duties.LIMIT, 1), (1, 0)]


def test_it_does_not_depend_on_who_performs_it(store: Store):
    orders = store.queue("short", dead_retention=1)
    orders.kill()
    store.time.advance(2)
    assert perform(duties.end_dead) == 1
