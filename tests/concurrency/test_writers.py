"""Many threads on one store: nobody starves, nothing is leased twice, nothing is lost."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import transaction

from brokerweb.queues import engine, leasing, publish
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.storage.run import perform
from tests.concurrency.threads import WAIT, in_threads
from tests.queues.bench import Bench
from tests.storage.desk import Desk

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_consoles_transactions_get_their_turn_beside_publishing_at_full_rate(desk: Desk):
    orders = Bench()
    over = threading.Event()

    def write_rows() -> None:
        for n in range(200):
            with transaction.atomic():
                Queue.objects.filter(pk=orders.row.pk).update(pause_reason=str(n))
        over.set()

    published: list[int] = []

    def publish_on() -> None:
        while not over.is_set():
            calls = [desk.hand_in(engine.publish, "orders", [NewMessage(b"x")] * 20) for _ in range(4)]
            for call in calls:
                assert desk.answered(call).error is None
                published.append(len(call.result))

    in_threads(write_rows, publish_on)
    assert orders.row.pause_reason == "199"
    assert Message.objects.count() == sum(published) > 0
    assert orders.counts() == {"ready": sum(published)}


def test_threads_never_lease_the_same_message():
    orders = Bench()
    ids = orders.publish(*range(120))
    taken: list[tuple[int, int]] = []

    def consume() -> None:
        while leased := perform(leasing.lease, "orders", 7, engine.Terms("w")).messages:
            taken.extend((m.id, m.attempts) for m in leased)
            statuses = perform(engine.settle, [Settle("ack", m.receipt) for m in leased])
            assert {s.status for s in statuses} == {"ok"}

    in_threads(*[consume] * 4)
    assert sorted(taken) == [(id, 1) for id in ids]
    assert orders.counts() == {}


def test_a_message_of_an_open_transaction_is_seen_when_that_commits_and_not_before():
    orders = Bench()
    inside, go_on = threading.Event(), threading.Event()
    seen: list[int] = []

    def publish_slowly() -> None:
        with transaction.atomic():
            publish("orders", 1)
            inside.set()
            assert go_on.wait(WAIT)

    def look() -> None:
        assert inside.wait(WAIT)
        seen.append(Message.objects.count())
        go_on.set()
        seen.append(len(orders.lease(5)))

    in_threads(publish_slowly, look)
    assert seen == [0, 1]


def test_keys_published_from_many_threads_have_one_head_each():
    orders = Bench(keyed=True)

    def publish_some() -> None:
        for n in range(10):
            orders.publish(n, n, key=f"k{n % 3}")

    in_threads(*[publish_some] * 3)
    assert orders.counts() == {"ready": 3, "blocked": 57}
    handled = 0
    while leased := orders.lease(10):
        assert len({m.key for m in leased}) == len(leased)
        orders.settle("ack", leased)
        handled += len(leased)
    assert handled == 60


def test_one_of_many_settles_a_receipt():
    orders = Bench()
    orders.publish(1)
    [held] = orders.lease()
    statuses: list[str] = []
    in_threads(*[lambda: statuses.extend(orders.settle("ack", [held]))] * 4)
    assert sorted(statuses) == ["lease_lost"] * 3 + ["ok"]
    assert orders.counts() == {}


def test_one_dedup_id_published_from_many_threads_is_one_message():
    Bench()
    answers: list[Any] = []

    def publish_once() -> None:
        answers.extend(perform(engine.publish, "orders", [NewMessage(b"1", dedup_id="a")]))

    in_threads(*[publish_once] * 4)
    assert sorted(a.duplicate for a in answers) == [False, True, True, True]
    assert len({a.id for a in answers}) == 1
