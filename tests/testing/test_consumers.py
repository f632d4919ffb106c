"""Handlers run in tests: in the test's own thread and transaction, as ``manage.py consume`` would run them."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Group
from django.db import IntegrityError, transaction
from django.utils import timezone

from brokerweb import consumer, queues, streams
from brokerweb.handlers import Reject, Retry, registry
from brokerweb.queues.models import Message
from brokerweb.tasks import task
from brokerweb.testing import Broker


@pytest.fixture(autouse=True)
def handlers(broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    """None at first, and a queue for them."""
    queues.declare("orders", max_failures=3)
    monkeypatch.setattr(registry, "_consumers", {})


def test_all_that_is_ready_is_handled_and_still_counts_as_published(broker: Broker):
    seen: list[Any] = []

    @consumer("orders")
    def handle(message: queues.Received) -> None:
        seen.append(message.body)
        if message.body < 3:
            queues.publish("orders", message.body + 1)
        assert threading.current_thread() is threading.main_thread()

    queues.publish("orders", 1, key="k")
    ran = broker.run_consumers()

    assert (ran.handled, ran.errors, seen) == (3, [], [1, 2, 3])
    assert [message.state for message in broker.assert_published("orders", count=3)] == ["settled"] * 3
    broker.assert_published("orders", count=1, key="k", body=1)
    assert not Message.objects.exists()


def test_an_error_fails_the_message_and_is_raised(broker: Broker):
    @consumer("orders")
    def handle(message: queues.Received) -> None:
        Group.objects.create(name="before")
        raise ValueError("no stock")

    queues.publish_many("orders", [{"body": 1}, {"body": 2}])
    with pytest.raises(ValueError, match="no stock"):
        broker.run_consumers()

    failed, waiting = broker.published("orders")
    assert (failed.state, failed.failures, waiting.state) == ("scheduled", 1, "ready")
    assert "no stock" in str(failed.last_error)
    assert Group.objects.filter(name="before").exists(), "as outside of a test: the handler is not atomic"


def test_errors_may_be_asked_for_instead(broker: Broker):
    @consumer("orders")
    def handle(message: queues.Received) -> None:
        raise {1: ValueError("no stock"), 2: Reject("never"), 3: Retry("later", delay=5)}[message.body]

    queues.publish_many("orders", [{"body": body} for body in (1, 2, 3)])
    ran = broker.run_consumers(raise_errors=False)

    assert (ran.handled, [type(error) for error in ran.errors]) == (0, [ValueError, Reject, Retry])
    assert [message.state for message in broker.published("orders")] == ["scheduled", "dead", "scheduled"]
    broker.assert_published("orders", count=1, reason="rejected")


def test_delays_and_backoffs_may_count_as_over(broker: Broker):
    attempts: list[int] = []

    @consumer("orders")
    def handle(message: queues.Received) -> None:
        attempts.append(message.attempts)
        raise ValueError("no stock")

    queues.publish("orders", 1, delay=3600)
    assert broker.run_consumers().handled == 0
    ran = broker.run_consumers(delayed=True, raise_errors=False)

    assert (attempts, len(ran.errors)) == ([1, 2, 3], 3)
    broker.assert_published("orders", count=1, state="dead", reason="max_failures")


def test_a_batch_is_handled_as_one(broker: Broker):
    seen = []

    @consumer("orders", batch=2)
    def handle(messages: list[queues.Received]) -> None:
        seen.append([message.body for message in messages])

    queues.publish_many("orders", [{"body": 0}, {"body": 1}, {"body": 2, "delay": 60}])
    assert broker.run_consumers().handled == 1
    assert broker.run_consumers(delayed=True).handled == 1
    assert seen == [[0, 1], [2]]
    broker.assert_published("orders", count=3, state="settled")


@pytest.mark.parametrize("atomic", [True, False])
def test_an_error_of_the_database_does_not_break_the_tests_transaction(broker: Broker, atomic: bool):
    @consumer("orders", atomic=atomic)
    def handle(message: queues.Received) -> None:
        with suppress(ZeroDivisionError):
            Group.objects.create(name="taken")
        Group.objects.create(name="taken")

    queues.publish("orders", 1)
    with pytest.raises(IntegrityError):
        broker.run_consumers()
    assert not Group.objects.filter(name="taken").exists() or not atomic
    broker.assert_published("orders", count=1, state="scheduled", failures=1)


def test_an_atomic_handlers_rows_and_its_ack_go_together(broker: Broker):
    @consumer("orders", atomic=True)
    def handle(message: queues.Received) -> None:
        Group.objects.create(name=message.body)
        if message.body == "bad":
            raise ValueError(message.body)

    queues.publish_many("orders", [{"body": "good"}, {"body": "bad"}])
    assert broker.run_consumers(raise_errors=False).handled == 1
    assert [group.name for group in Group.objects.all()] == ["good"]


def test_what_a_handler_leaves_for_its_commit_happens(broker: Broker):
    said: list[Any] = []

    @consumer("orders")
    def handle(message: queues.Received) -> None:
        with transaction.atomic():
            transaction.on_commit(lambda: said.append(message.body))
        transaction.on_commit(lambda: transaction.on_commit(lambda: said.append("nested")))
        with suppress(ValueError), transaction.atomic():
            transaction.on_commit(lambda: said.append("rolled back"))
            raise ValueError

    queues.publish("orders", 1)
    broker.run_consumers()
    assert said == [1, "nested"]


def test_coroutines_work_on_the_tests_own_rows(broker: Broker):
    @consumer("orders")
    async def handle(message: queues.Received) -> None:
        await Group.objects.acreate(name=message.body)
        await sync_to_async(queues.publish)("mails", message.body)

    queues.declare("mails")
    queues.publish("orders", "ada")
    assert broker.run_consumers().handled == 1
    assert Group.objects.get().name == "ada"
    broker.assert_published("mails", body="ada")


@pytest.mark.parametrize("kind", ["partitioned", "shared"])
def test_records_of_a_stream(broker: Broker, kind: str):
    seen: list[Any] = []
    streams.declare("events", partitions=2)
    streams.declare_group("events", "billing", kind=kind, start="earliest")

    @consumer(stream="events", group="billing")
    def handle(record: streams.Record) -> None:
        seen.append((record.partition, record.body))

    for n in range(3):
        streams.append("events", n, partition=n % 2)
    assert broker.run_consumers("stream:events").handled == 3
    assert sorted(seen) == [(0, 0), (0, 2), (1, 1)]
    assert broker.run_consumers().handled == 0
    broker.assert_published("stream:events", count=3)


def test_only_the_sources_that_are_named(broker: Broker):
    queues.declare("mails")
    consumer("orders")(lambda message: None)
    consumer("mails")(lambda message: None)
    queues.publish("orders", 1)
    queues.publish("mails", 2)
    assert broker.run_consumers("mails").handled == 1
    broker.assert_published("orders", state="ready")
    with pytest.raises(LookupError, match=r"No handler is registered for queue:nowhere\. There are: queue:mails, queue:orders\."):
        broker.run_consumers("nowhere")


def test_handlers_that_never_end_are_told_of(broker: Broker):
    @consumer("orders")
    def handle(message: queues.Received) -> None:
        queues.publish("orders", message.body)

    queues.publish("orders", 1)
    with pytest.raises(AssertionError, match="After 20 messages there is still something ready"):
        broker.run_consumers(limit=20)


def test_messages_of_a_key_go_one_after_the_other(broker: Broker):
    queues.declare("keyed", keyed=True)
    seen: list[Any] = []
    consumer("keyed")(lambda message: seen.append(message.body))
    with transaction.atomic():
        for n in range(3):
            queues.publish("keyed", n, key="k")
    broker.run_consumers()
    assert seen == [0, 1, 2]


@pytest.mark.django_db(transaction=True)
def test_where_commits_are_real(broker: Broker):
    @consumer("orders", atomic=True)
    def handle(message: queues.Received) -> None:
        Group.objects.create(name=message.body)
        if message.body == "bad":
            raise ValueError(message.body)

    queues.publish_many("orders", [{"body": "good"}, {"body": "bad"}])
    with pytest.raises(ValueError, match="bad"):
        broker.run_consumers()
    assert [group.name for group in Group.objects.all()] == ["good"]
    broker.assert_published("orders", count=1, state="scheduled")
    broker.assert_published("orders", count=1, state="settled")


def test_tasks_are_run_likewise(broker: Broker, settings: Any):
    settings.TASKS = {"default": {"BACKEND": "brokerweb.tasks.Backend", "QUEUES": ["default"]}}
    broker.__init__()  # type: ignore[misc]  # as for a test that begins with these settings
    made = greet.enqueue("ada")
    greet.using(run_after=timezone.now() + timedelta(hours=1)).enqueue("")
    broker.assert_published("default", count=2)
    assert broker.run_tasks().handled == 1
    made.refresh()
    assert made.return_value == "hello ada"
    with pytest.raises(ValueError, match="nobody"):
        broker.run_tasks("default", delayed=True)


@task
def greet(name: str) -> str:
    if not name:
        raise ValueError("nobody")
    return f"hello {name}"
