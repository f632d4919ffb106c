"""Timelines where sources meet: a setting that changed on the way, deaths before and after it, the wall, and what is gone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from brokerweb.answers import timeline as timelines
from brokerweb.answers.absent import absent
from brokerweb.answers.timeline import timeline
from brokerweb.handout import shared_groups
from brokerweb.identity.masks import CLEAR
from brokerweb.queues import browse, bulk, control, filters, settled
from brokerweb.queues.models import Failure, MessageEvent, Queue
from brokerweb.storage import reading as storage
from brokerweb.storage.transaction import acting
from tests.contract.store import Orders, Store
from tests.handout.bench import Share
from tests.queues.bench import Time


@pytest.fixture
def store(time: Time, database: str) -> Store:
    return Store(time)


@pytest.fixture
def orders(store: Store) -> Orders:
    return store.queue(max_failures=3)


def told(orders: Orders, id: int) -> list[tuple[str, int]]:
    queue = Queue.objects.get(name=orders.name)
    found: Any = settled.read(queue, id) or browse.read(queue, id)
    message, failures = found
    entries, _ = timeline(queue, id, message, failures, CLEAR)
    return [(entry["event"], entry["attempt"] or 0) for entry in entries]


def change(store: Store, **settings: Any) -> None:
    store.do(control.declare, "orders", settings)


def test_failures_from_before_everything_was_written_stand_where_they_happened(store: Store, orders: Orders):
    id = orders.one()
    orders.nack(orders.take(), delay=0, error="first")
    change(store, history="full")
    orders.nack(orders.take(), delay=0, error="second")
    assert told(orders, id) == [("published", 0), ("nacked", 1), ("leased", 2), ("nacked", 2)]


def test_a_failure_of_a_lease_that_was_extended_comes_after_that(store: Store, orders: Orders):
    """The extension was written, and the failure was not."""
    id = orders.one()
    change(store, history="full")
    leased = orders.take()
    orders.settle("extend", leased)
    change(store, history="failures")
    orders.nack(leased, delay=0)
    store.do(acting, "ann", control.reschedule, "orders", id, due_at=store.time.now() + 1_000_000)
    assert told(orders, id) == [("published", 0), ("leased", 1), ("extended", 1), ("nacked", 1), ("rescheduled", 1)]


def test_one_that_died_again_is_dead_at_its_end_as_well(store: Store, orders: Orders):
    """Its first death was written, and the second was not."""
    change(store, history="full", max_failures=1)
    id = orders.one()
    orders.nack(orders.take())
    store.do(bulk.redrive, "orders", filters.ALL)
    change(store, history="failures")
    orders.nack(orders.take())
    assert [event for event, _ in told(orders, id)] == [
        "published", "leased", "nacked", "dead", "redriven", "nacked", "dead",
    ]  # fmt: skip


def test_what_the_consumer_called_final_is_one_death(store: Store, orders: Orders):
    id = orders.kill()
    assert told(orders, id) == [("published", 0), ("dead", 1)]
    change(store, history="full")
    other = orders.kill()
    assert told(orders, other) == [("published", 0), ("leased", 1), ("dead", 1)]


def test_what_is_kept_tells_how_it_ended_though_nothing_was_written(store: Store, orders: Orders):
    change(store, keep_settled=60)
    id = orders.one()
    orders.nack(orders.take(), delay=0, error="bad")
    orders.ack(orders.take())
    assert told(orders, id) == [("published", 0), ("nacked", 1), ("acked", 2)]


def test_a_wall_that_is_set_back_leaves_the_order(store: Store, orders: Orders):
    change(store, history="full")
    id = orders.one()
    store.time.set_wall(-7200)
    orders.nack(orders.take(), delay=0)
    store.time.set_wall(3600)
    leased = orders.take()
    store.time.set_wall(-86_400)
    orders.settle("release", leased)
    assert told(orders, id) == [("published", 0), ("leased", 1), ("nacked", 1), ("leased", 2), ("released", 2)]
    stamps = list(MessageEvent.objects.order_by("id").values_list("at", flat=True))
    assert stamps != sorted(stamps)


def test_the_newest_are_shown_also_where_failures_are_older(store: Store, orders: Orders, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(timelines, "SHOWN", 3)
    id = orders.one()
    orders.nack(orders.take(), delay=0)
    change(store, history="full")
    for _ in range(3):
        orders.settle("release", orders.take())
    queue = Queue.objects.get(name="orders")
    entries, truncated = timeline(queue, id, *browse.read(queue, id), CLEAR)
    assert [(e["event"], e["attempt"]) for e in entries] == [("released", 3), ("leased", 4), ("released", 4)]
    assert truncated


def test_damage_that_took_what_it_carried_leaves_its_failures(store: Store, orders: Orders):
    id = orders.one()
    orders.nack(orders.take(), delay=60)
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM brokerweb_queues_content")
    assert told(orders, id) == [("nacked", 1)]


def test_one_look_takes_few_queries_however_much_happened(store: Store, orders: Orders):
    change(store, history="full")
    id = orders.one()
    for n in range(30):
        orders.settle("release", orders.lease(holder=f"ws:n/{n}/1")[0])
    queue = Queue.objects.get(name="orders")
    found = browse.read(queue, id)
    with CaptureQueriesContext(connection) as asked:
        message, failures = found
    entries, _ = timeline(queue, id, message, failures, CLEAR)
    assert len(entries) == 61
    assert len(asked) <= 3


# What is said of those that are gone


def said(orders: Orders, id: int) -> str:
    return absent(Queue.objects.get(name=orders.name), id, CLEAR).detail


def test_how_it_ended_is_said_where_that_is_written(store: Store, orders: Orders):
    id = orders.one()
    store.do(acting, "ann", control.delete_message, "orders", id)
    assert f"The id {id} was given by queue orders: the message is gone, deleted by ann at 20" in said(orders, id)


def test_where_the_last_that_is_written_is_no_end_it_is_not_called_one(store: Store, orders: Orders):
    id = orders.one(delay=60)
    store.do(acting, "ann", control.reschedule, "orders", id, due_at=0)
    orders.ack(orders.take())
    assert "the message is gone; the last that is written of it is that it was rescheduled by ann at 20" in said(orders, id)
    assert "keeps no history of settled messages" in said(orders, id)


def test_one_that_moved_has_left(store: Store, orders: Orders):
    store.queue("other")
    id = orders.kill()
    store.do(acting, "ann", bulk.redrive, "orders", filters.ALL, to="other")
    assert f"The id {id} was given by queue orders: the message has left it, moved by ann at 20" in said(orders, id)


def test_of_another_queues_message_nothing_is_told(store: Store, orders: Orders):
    other = store.queue("other", history="full")
    theirs = other.one("secret")
    error = absent(Queue.objects.get(name="orders"), theirs, CLEAR)
    assert error.extra == {}
    assert "by queue orders or by another" in error.detail


def test_an_id_that_nobody_had_never_was(orders: Orders):
    last = orders.one()
    assert "orders never had a message" in said(orders, last + 1)
    assert "never" not in said(orders, last)


# Records of shared groups


def test_a_dead_record_says_where_it_is_from_and_who_put_it_back(time: Time, database: str):
    share = Share(max_failures=1)
    share.append(1)
    share.settle("nack", *share.lease(), error="bad")
    queue = storage.read(shared_groups.queue_of, "events", "workers")
    dead = Failure.objects.get().message_id
    share.do(acting, "ann", bulk.redrive, queue.pk, filters.ALL)
    share.settle("nack", *share.lease(), error="worse")
    entries, _ = timeline(queue, dead, *browse.read(queue, dead), CLEAR, may=lambda verb, kind, name: False)
    assert [entry["event"] for entry in entries] == ["published", "nacked", "redriven", "nacked", "dead"]
    assert entries[0]["detail"] == {"partition": 0, "offset": "0"}
    assert entries[2]["by"] == "ann"
