"""Tests as a Django team on PostgreSQL has them; ``test_postgres`` runs them in the example project, by Django's own runner."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.db import connection, transaction
from django.test import TestCase, TransactionTestCase
from shop.models import Order  # type: ignore[import-not-found]  # of the example
from shop.ordering import place_order  # type: ignore[import-not-found]

from brokerweb import routing
from brokerweb.core.errors import NotFound
from brokerweb.queues import control, publish
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.routing.django import transact
from brokerweb.storage.run import perform
from brokerweb.wakeups import process
from brokerweb.wakeups.postgres import Postgres


def bodies() -> list[Any]:
    return [json.loads(bytes(message.body)) for message in Message.objects.filter(queue__name="billing").order_by("position")]


class InATestCase(TestCase):
    """All of it is rolled back, and no other process is told anything."""

    @classmethod
    def setUpTestData(cls) -> None:
        perform(control.declare, "billing", {})

    def setUp(self) -> None:
        process.forget()

    def test_a_message_is_there_as_other_rows_are(self) -> None:
        place_order("ada", Decimal("12.50"))
        message = Message.objects.select_related("queue").get(queue__name="billing", state=State.READY, key="ada")
        self.assertEqual(json.loads(bytes(message.body)), {"order": Order.objects.get().pk, "total": "12.50"})
        self.assertEqual(Queue.declared.get().name, "billing")
        self.assertIsNone(process._sender)

    def test_what_another_test_published_is_gone(self) -> None:
        self.assertEqual(bodies(), [])
        with self.assertRaises(ValueError):
            place_order("ada", Decimal(0))
        self.assertEqual((bodies(), Order.objects.count()), ([], 0))

    def test_callbacks_that_a_test_runs_break_nothing(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            place_order("ada", Decimal(1))
        self.assertEqual(len(callbacks), 1)
        assert process._sender is not None
        process._sender.flush(10)
        self.assertEqual((process._sender.sent, process._sender.dropped), (1, 0))


class Committed(TransactionTestCase):
    """Commits are real; a connection beside it hears what is told."""

    def setUp(self) -> None:
        process.forget()
        perform(control.declare, "billing", {"keyed": True})
        self.told()
        self.listening = Postgres().listening()
        self.addCleanup(self.listening.close)

    def told(self) -> int:
        """How many hints this process has sent since it was last asked."""
        sender = process._sender
        process.forget()
        if sender is None:
            return 0
        sender.flush(10)
        sender.stop(10)
        self.assertEqual(sender.wrong, "")
        return sender.sent

    def test_a_commit_tells_where_to_look(self) -> None:
        place_order("ada", Decimal(1))
        self.assertEqual(self.told(), 1)
        [hint] = self.listening.hear(10)
        self.assertEqual(json.loads(hint)["q"], [Queue.declared.get().pk])
        self.assertEqual((len(bodies()), Order.objects.count()), (1, 1))

    def test_a_rollback_leaves_nothing_and_tells_nobody(self) -> None:
        with self.assertRaises(ValueError):
            place_order("ada", Decimal(0))
        self.assertEqual((bodies(), Order.objects.count(), self.told()), ([], 0, 0))

    def test_a_savepoint_that_is_rolled_back_takes_its_message_with_it(self) -> None:
        with transaction.atomic():
            publish("billing", 1)
            with self.assertRaises(RuntimeError), transaction.atomic():
                publish("billing", 2)
                raise RuntimeError
            publish("billing", 3)
        self.assertEqual(bodies(), [1, 3])

    def test_what_is_refused_leaves_the_callers_transaction_as_it_was(self) -> None:
        with transaction.atomic():
            Order.objects.create(customer="ada", total=1)
            with self.assertRaises(NotFound):
                publish("nowhere", 1)
            publish("billing", 1)
        self.assertEqual((bodies(), Order.objects.count()), ([1], 1))

    def test_many_in_one_transaction_in_their_order(self) -> None:
        with transaction.atomic():
            ids = [publish("billing", n, key="k" if n % 2 else None) for n in range(200)]
        self.assertEqual(bodies(), list(range(200)))
        self.assertEqual(ids, sorted(ids))
        self.assertLess(self.told(), 20)

    def test_a_duplicate_is_the_message_that_is_there(self) -> None:
        first = publish("billing", 1, dedup_id="once")
        with transaction.atomic():
            self.assertEqual(publish("billing", 2, dedup_id="once"), first)
        self.assertEqual(bodies(), [1])

    def test_what_is_published_outside_of_a_transaction_commits_by_itself(self) -> None:
        publish("billing", 1)
        connection.close()
        self.assertEqual((bodies(), self.told()), ([1], 1))

    def test_topics_and_transactions_of_the_broker_join_too(self) -> None:
        with self.assertRaises(RuntimeError), transaction.atomic():
            transact(publish=[{"to": "queue:billing", "messages": [{"body": 1}]}])
            raise RuntimeError
        with transaction.atomic():
            transact(publish=[{"to": "queue:billing", "messages": [{"body": 2}]}])
            with self.assertRaises(NotFound):
                routing.publish("nowhere", 3)
        self.assertEqual(bodies(), [2])

    def test_the_projects_own_statements_are_as_they_were(self) -> None:
        """Also where they bind parameters at the server, which then has the last word on their types."""
        publish("billing", 1)
        with transaction.atomic(), connection.cursor() as cursor:
            publish("billing", 2)
            cursor.execute("SELECT left('orders', %s), %s = ANY(%s)", [3, 2, [1, 2]])
            self.assertEqual(cursor.fetchone(), ("ord", True))
            self.assertEqual(Order.objects.filter(pk__in=[1, 2]).count(), 0)
        self.assertEqual(bodies(), [1, 2])

    def test_what_the_server_says_to_the_projects_own_statements_is_none_of_the_brokers_business(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            publish("billing", 1)
            cursor.execute("DO $$ BEGIN RAISE WARNING 'the project says so'; END $$")
        self.assertEqual((bodies(), self.told()), ([1], 1))
