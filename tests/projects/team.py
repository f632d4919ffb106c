"""Tests as a Django team on PostgreSQL has them; ``test_postgres`` runs them in the example project, by Django's own runner."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, transaction
from django.test import SimpleTestCase, TestCase, TransactionTestCase
from psycopg.conninfo import make_conninfo
from shop.models import Order  # type: ignore[import-not-found]  # of the example
from shop.ordering import place_order  # type: ignore[import-not-found]  # the project it runs in has it

from brokerweb import queues, routing
from brokerweb.core.errors import NotFound
from brokerweb.queues import control, publish
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.routing.django import transact
from brokerweb.storage.run import perform
from brokerweb.wakeups import process
from brokerweb.wakeups.postgres import CHANNEL


class Changed(Exception):
    """The project has changed its mind."""


def empty() -> None:
    """Nothing is left, over the project's own connection: Django drops its database while nobody else is in it."""
    tables = sorted({model._meta.db_table for model in apps.get_models(include_auto_created=True) if model._meta.managed})
    deletions = [f'DELETE FROM "{table}"' for table in tables]
    with connection.cursor() as cursor:  # at once, as a pooler may give each transaction another connection
        cursor.execute("; ".join(["SET session_replication_role = replica", *deletions, "RESET session_replication_role"]))


def bodies() -> list[Any]:
    return [json.loads(bytes(message.body)) for message in Message.objects.filter(queue__name="billing").order_by("position")]


class InATestCase(TestCase):
    """All of it is rolled back, and no other process is told anything."""

    @classmethod
    def setUpTestData(cls) -> None:
        perform(control.declare, "billing", {})
        perform(control.declare, "keyed", {"keyed": True})

    def setUp(self) -> None:
        process.forget()

    def test_a_message_is_there_as_other_rows_are(self) -> None:
        place_order("ada", Decimal("12.50"))
        message = Message.objects.select_related("queue").get(queue__name="billing", state=State.READY, key="ada")
        assert json.loads(bytes(message.body)) == {"order": Order.objects.get().pk, "total": "12.50"}
        assert {queue.name for queue in Queue.declared.all()} == {"billing", "keyed"}
        assert process._sender is None

    def test_what_another_test_published_is_gone(self) -> None:
        assert bodies() == []
        with pytest.raises(ValueError, match="an order costs something"):
            place_order("ada", Decimal(0))
        assert (bodies(), Order.objects.count()) == ([], 0)

    def test_callbacks_that_a_test_runs_break_nothing(self) -> None:
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            place_order("ada", Decimal(1))
        assert len(callbacks) == 1
        assert process._sender is not None
        process._sender.flush(10)
        assert (process._sender.sent, process._sender.dropped) == (1, 0)

    def test_messages_of_a_key_are_received_as_they_would_be(self) -> None:
        """What is published in a transaction of the project's own waits for its commit, which a test runs as Django has it."""
        for n in range(2):
            publish("keyed", n, key="k")
        assert [message.body for message in queues.receive("keyed", limit=10)] == [0]
        with self.captureOnCommitCallbacks(execute=True):
            with transaction.atomic():
                publish("keyed", 2, key="other")
            assert queues.receive("keyed") == []
        assert [message.body for message in queues.receive("keyed")] == [2]


class Committed(SimpleTestCase):
    """Commits are real; a connection beside it hears what is told."""

    databases = {"default"}

    def setUp(self) -> None:
        self.addCleanup(empty)
        process.forget()
        perform(control.declare, "billing", {"keyed": True})
        self.told()
        # Past a pooler, which may stand between this process and the server.
        dsn = make_conninfo(os.environ["TEAM_SERVER"], dbname=str(connection.settings_dict["NAME"]))
        self.listening = psycopg.connect(dsn, autocommit=True)
        self.listening.execute(f"LISTEN {CHANNEL}")
        self.addCleanup(self.listening.close)

    def told(self) -> int:
        """How many hints this process has sent since it was last asked."""
        sender = process._sender
        process.forget()
        if sender is None:
            return 0
        sender.flush(10)
        sender.stop(10)
        assert sender.wrong == ""
        return sender.sent

    def test_a_commit_tells_where_to_look(self) -> None:
        place_order("ada", Decimal(1))
        assert self.told() == 1
        [hint] = self.listening.notifies(timeout=10, stop_after=1)
        assert json.loads(hint.payload)["q"] == [Queue.declared.get().pk]
        assert (len(bodies()), Order.objects.count()) == (1, 1)

    def test_a_rollback_leaves_nothing_and_tells_nobody(self) -> None:
        with pytest.raises(ValueError, match="an order costs something"):
            place_order("ada", Decimal(0))
        assert (bodies(), Order.objects.count(), self.told()) == ([], 0, 0)

    def test_a_savepoint_that_is_rolled_back_takes_its_message_with_it(self) -> None:
        with transaction.atomic():
            publish("billing", 1)
            with suppress(Changed), transaction.atomic():
                publish("billing", 2)
                raise Changed
            publish("billing", 3)
        assert bodies() == [1, 3]

    def test_what_is_refused_leaves_the_callers_transaction_as_it_was(self) -> None:
        with transaction.atomic():
            Order.objects.create(customer="ada", total=1)
            with pytest.raises(NotFound):
                publish("nowhere", 1)
            publish("billing", 1)
        assert (bodies(), Order.objects.count()) == ([1], 1)

    def test_many_in_one_transaction_in_their_order(self) -> None:
        with transaction.atomic():
            ids = [publish("billing", n) for n in range(200)]
        assert bodies() == list(range(200))
        assert ids == sorted(ids)
        assert self.told() < 20

    def test_messages_of_a_key_wait_for_each_other(self) -> None:
        with transaction.atomic():
            for n in range(3):
                publish("billing", n, key="k")
        ready = Message.objects.filter(queue__name="billing", state=State.READY)
        assert [json.loads(bytes(message.body)) for message in ready] == [0]
        assert len(bodies()) == 3

    def test_a_duplicate_is_the_message_that_is_there(self) -> None:
        first = publish("billing", 1, dedup_id="once")
        with transaction.atomic():
            assert publish("billing", 2, dedup_id="once") == first
        assert bodies() == [1]

    def test_what_is_published_outside_of_a_transaction_commits_by_itself(self) -> None:
        publish("billing", 1)
        connection.close()
        assert (bodies(), self.told()) == ([1], 1)

    def test_topics_and_transactions_of_the_broker_join_too(self) -> None:
        with suppress(Changed), transaction.atomic():
            transact(publish=[{"to": "queue:billing", "messages": [{"body": 1}]}])
            raise Changed
        with transaction.atomic():
            transact(publish=[{"to": "queue:billing", "messages": [{"body": 2}]}])
            with pytest.raises(NotFound):
                routing.publish("nowhere", 3)
        assert bodies() == [2]

    def test_the_projects_own_statements_are_as_they_were(self) -> None:
        """Also where they bind parameters at the server, which then has the last word on their types."""
        publish("billing", 1)
        with transaction.atomic(), connection.cursor() as cursor:
            publish("billing", 2)
            cursor.execute("SELECT left('orders', %s), %s = ANY(%s)", [3, 2, [1, 2]])
            assert cursor.fetchone() == ("ord", True)
            assert Order.objects.filter(pk__in=[1, 2]).count() == 0
        assert bodies() == [1, 2]

    def test_what_the_server_says_to_the_projects_own_statements_is_none_of_the_brokers_business(self) -> None:
        with transaction.atomic(), connection.cursor() as cursor:
            publish("billing", 1)
            cursor.execute("DO $$ BEGIN RAISE WARNING 'the project says so'; END $$")
        assert (bodies(), self.told()) == ([1], 1)


class InATransactionTestCase(TransactionTestCase):
    """Commits are real, and Django takes away what is left."""

    def test_a_message_is_there_after_its_transaction(self) -> None:
        perform(control.declare, "billing", {})
        place_order("ada", Decimal(1))
        assert len(bodies()) == 1

    def test_and_gone_after_its_test(self) -> None:
        assert Queue.objects.count() == Message.objects.count() == 0
