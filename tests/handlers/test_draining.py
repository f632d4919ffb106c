"""Handlers run on a test's own thread, within its transaction."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Group

from brokerweb import Reject, Retry, queues, streams
from brokerweb.handlers.batches import BatchedSource
from brokerweb.handlers.draining import drain
from brokerweb.handlers.registry import Consumer
from brokerweb.handlers.sources import PartitionedSource, QueueSource, SharedGroupSource
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.run import perform

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture(autouse=True)
def orders(database: str) -> None:
    queues.declare("orders")
    streams.declare("events", partitions=2)


def on_orders(function: Callable[[Any], Any], **options: Any) -> QueueSource:
    return QueueSource("orders", Consumer(function=function, queue="orders", **options))


def states() -> list[State]:
    return [State(message.state) for message in Message.objects.order_by("id")]


def test_what_handlers_publish_is_worked_on_too():
    seen = []

    def ship(message: queues.Received) -> None:
        seen.append(message.body)
        if message.body < 3:
            queues.publish("orders", message.body + 1)

    queues.publish("orders", 0)
    drained = drain([on_orders(ship)])
    assert (drained.done, drained.failures, seen) == (4, [], [0, 1, 2, 3])
    assert states() == []


def test_coroutines_run_in_the_tests_transaction():
    async def ship(message: queues.Received) -> None:
        await Group.objects.acreate(name=message.body)

    queues.publish("orders", "a")
    assert drain([on_orders(ship)]).done == 1
    assert Group.objects.get().name == "a"


def test_failures_are_settled_and_told():
    def ship(message: queues.Received) -> None:
        raise {"retry": Retry("later"), "reject": Reject("never"), "bug": ValueError("bug")}[message.body]

    for body in ("retry", "reject", "bug"):
        queues.publish("orders", body)
    drained = drain([on_orders(ship)])
    assert [type(failure.error) for failure in drained.failures] == [Retry, Reject, ValueError]
    assert (drained.done, states()) == (0, [State.SCHEDULED, State.DEAD, State.SCHEDULED])


def test_rows_of_atomic_work_that_fails_are_gone():
    def ship(message: queues.Received) -> None:
        Group.objects.create(name=message.body)
        if message.body == "bad":
            raise ValueError

    for body in ("good", "bad"):
        queues.publish("orders", body)
    drained = drain([on_orders(ship, atomic=True)])
    assert (drained.done, len(drained.failures)) == (1, 1)
    assert [group.name for group in Group.objects.all()] == ["good"]


def test_a_batch_is_done_or_has_failed_as_one():
    seen = []

    def ship(messages: list[queues.Received]) -> None:
        seen.append([message.body for message in messages])
        for message in messages:
            Group.objects.create(name=f"{message.body} {message.attempts}")
        if "bad" in seen[-1]:
            raise Retry("one of them", delay=3600)

    source = BatchedSource(on_orders(ship, atomic=True), 3)
    queues.publish_many("orders", [{"body": body} for body in ("a", "b", "c", "d", "bad")])
    drained = drain([source])
    assert seen == [["a", "b", "c"], ["d", "bad"]]
    assert (drained.done, [str(failure.error) for failure in drained.failures]) == (1, ["one of them"])
    assert states() == [State.SCHEDULED, State.SCHEDULED]
    assert sorted(group.name for group in Group.objects.all()) == ["a 1", "b 1", "c 1"]


def test_a_batch_of_which_a_lease_is_lost_is_lost():
    queues.publish_many("orders", [{"body": body} for body in ("a", "b")])
    source = BatchedSource(on_orders(print), 2)
    [batch], _ = perform(source.lease, 5, "test")
    _, b = batch
    queues.settle(release=[b])
    extend, ack = Settle("extend", batch.receipt or "", lease=5), Settle("ack", batch.receipt or "")
    assert [answer.status for answer in perform(source.settle, [extend, ack])] == ["lease_lost", "lease_lost"]
    assert states() == [State.READY]


def test_records_of_both_kinds_of_groups():
    seen: list[Any] = []

    def bill(record: streams.Record) -> None:
        seen.append((record.partition, record.body))
        if record.body == "bad":
            raise Reject("bad")

    streams.append_many("events", [{"body": body, "partition": n} for n in (0, 1) for body in ("a", "bad", "b")])
    for source in (PartitionedSource, SharedGroupSource):
        seen.clear()
        if source is SharedGroupSource:
            streams.declare_group("events", "SharedGroupSource", kind="shared", start="earliest")
        made = source("events", source.__name__, Consumer(function=bill, stream="events", group=source.__name__))
        drained = drain([made])
        assert (drained.done, len(drained.failures)) == (4, 2)
        assert sorted(seen) == [(n, body) for n in (0, 1) for body in ("a", "b", "bad")]


def test_a_partition_whose_record_fails_is_left():
    def bill(record: streams.Record) -> None:
        raise ValueError(record.body)

    streams.append_many("events", [{"body": n, "partition": 0} for n in range(3)])
    drained = drain([PartitionedSource("events", "billing", Consumer(function=bill, stream="events", group="billing"))])
    assert [str(failure.error) for failure in drained.failures] == ["0"]
    assert streams.committed("events", "billing") == {0: 0, 1: 0}
