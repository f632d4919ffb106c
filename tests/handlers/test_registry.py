"""How handlers are named, found and checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import CommandError, call_command

import brokerweb
from brokerweb import consumer, queues, streams
from brokerweb.core.errors import Conflict
from brokerweb.handlers import checks, registry
from brokerweb.handlers.batches import BatchedSource
from brokerweb.handlers.choosing import source_of
from brokerweb.handlers.registry import Consumer
from brokerweb.handlers.sources import PartitionedSource, QueueSource, SharedGroupSource
from brokerweb.storage.reading import read


@pytest.fixture(autouse=True)
def _no_others() -> Iterator[None]:
    before = dict(registry._consumers)
    registry.forget()
    yield
    registry.forget()
    registry._consumers.update(before)


def ship(message: Any) -> None: ...


def bill(message: Any) -> None: ...


async def write(message: Any) -> None: ...


def named() -> list[tuple[str, str]]:
    return [(each.place, each.name) for each in registry.registered()]


def test_a_function_stays_what_it_is():
    assert consumer("orders")(ship) is ship
    assert brokerweb.consumer is consumer
    assert named() == [("orders", f"{__name__}.ship")]


def test_one_function_may_work_on_several_queues_and_a_module_may_be_imported_twice():
    for _ in range(2):
        consumer("orders")(ship)
        consumer("mails", timeout=5)(ship)
        consumer(stream="events", group="billing")(write)
    assert named() == [
        ("events/billing", f"{__name__}.write"),
        ("mails", f"{__name__}.ship"),
        ("orders", f"{__name__}.ship"),
    ]
    [mails] = [each for each in registry.registered() if each.queue == "mails"]
    assert (mails.timeout, mails.coroutine) == (5, False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "a queue, or a stream and a group"),
        ({"queue": "orders", "stream": "events"}, "a queue, or a stream and a group"),
        ({"stream": "events"}, "a queue, or a stream and a group"),
        ({"queue": "orders", "prefetch": 0}, "prefetch is from 1 to 1000"),
        ({"queue": "orders", "timeout": -1}, "timeout is from 0.001 to 43200"),
        ({"queue": "orders", "lease": 50_000}, "lease is from 1 to 43200"),
        ({"queue": ship}, "name the queue"),
        ({"queue": "queue:orders"}, "the queue 'queue:orders': a name has"),
        ({"stream": "events", "group": "a b"}, "the group 'a b': a name has"),
        ({"queue": "orders", "timeout": "5"}, "timeout is from 0.001 to 43200"),
    ],
)
def test_what_does_not_go_together_is_refused(given: dict[str, Any], said: str):
    with pytest.raises(ValueError, match=said):
        consumer(**given)(ship)


def test_without_brackets_it_says_so_at_once():
    with pytest.raises(ValueError, match="name the queue"):
        consumer(ship)  # type: ignore[arg-type]  # as @consumer without brackets does


def test_a_coroutine_is_not_atomic():
    with pytest.raises(ValueError, match="is a coroutine: Django has no transactions there"):
        consumer("orders", atomic=True)(write)


def test_two_handlers_of_one_queue_are_an_error():
    consumer("orders")(ship)
    consumer("orders")(bill)
    [error] = [each for each in run_checks() if each.id == "brokerweb.E009"]
    assert "queue orders has 2 handlers" in error.msg
    with pytest.raises(CommandError, match="queue orders has 2 handlers"):
        call_command("consume")


def test_a_handler_without_its_queue_is_a_warning(database: str, settings: Any):
    consumer("orders")(ship)
    consumer(stream="events", group="billing")(bill)
    settings.BROKERWEB = {**settings.BROKERWEB, "queues": {"mails": {}}}
    consumer("mails")(write)
    found = checks.check_sources(None, databases=["default"])
    assert [(each.id, each.msg.partition(": ")[2]) for each in found] == [
        ("brokerweb.W006", "There is no stream events."),
        ("brokerweb.W006", "There is no queue orders."),
    ]
    queues.declare("orders")
    streams.declare("events")
    assert checks.check_sources(None, databases=["default"]) == []
    assert checks.check_sources(None, databases=None) == []


def test_the_kind_of_a_group_decides_how_it_is_read(database: str):
    streams.declare("events")
    streams.declare_group("events", "mails", kind="shared")
    made = [
        Consumer(function=ship, queue="orders"),
        *(Consumer(function=ship, stream="events", group=g) for g in ("mails", "new")),
    ]
    assert [type(read(source_of, each)) for each in made] == [QueueSource, SharedGroupSource, PartitionedSource]
    batched = [replace(each, batch=10) for each in made]
    assert [type(read(source_of, each)) for each in batched[:2]] == [BatchedSource, BatchedSource]
    with pytest.raises(Conflict, match="group new of stream events is partitioned; batches are for queues and shared groups"):
        read(source_of, batched[2])


def test_the_command_says_what_there_is(database: str):
    with pytest.raises(CommandError, match="there are no handlers"):
        call_command("consume")
    consumer("orders")(ship)
    with pytest.raises(CommandError, match=r"no handler is for mails; there are handlers for orders"):
        call_command("consume", "mails")
