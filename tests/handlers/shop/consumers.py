"""Handlers that the tests watch: what they do is a line in a file, and some wait until a file is there."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from brokerweb import Reject, Retry, consumer, queues
from tests.eventually import eventually
from tests.handlers.shop.models import Parcel

FOLDER = Path(os.environ.get("HANDLERS_FOLDER", "."))


def note(what: str, about: Any) -> None:
    """One line, by one write: several processes and threads note in the same file."""
    line = json.dumps([what, about, os.getpid()]) + "\n"
    with (FOLDER / "notes").open("ab", buffering=0) as notes:
        notes.write(line.encode())


def hold(name: object) -> None:
    """Until the test lets it go."""
    eventually((FOLDER / f"go-{name}").exists, 120)


@consumer("plain", prefetch=32)
def plain(message: queues.Received) -> None:
    note("plain", message.body)


@consumer("batched", batch=50, prefetch=2)
def batched(messages: list[queues.Received]) -> None:
    note("batched", [message.body for message in messages])


@consumer("failing")
def failing(message: queues.Received) -> None:
    raise ValueError(f"no stock for {message.body}")


@consumer("again")
def again(message: queues.Received) -> None:
    note("again", message.attempts)
    if message.attempts == 1:
        raise Retry("not yet", delay=0)
    raise Reject("never")


@consumer("atomic", atomic=True)
def atomic(message: queues.Received) -> None:
    note("atomic", message.body)
    Parcel(order=message.body).save()
    hold(message.body)


@consumer("held")
@consumer("signalled", concurrency=2, prefetch=4)
@consumer("stuck")
@consumer("twice")
def held(message: queues.Received) -> None:
    note("held", message.body)
    hold(message.body)
    note("let go", message.body)


@consumer("late", timeout=0.3)
def late(message: queues.Received) -> None:
    note("late", message.attempts)
    hold(message.body)


@consumer("coroutine", concurrency=8)
async def coroutine(message: queues.Received) -> None:
    note("coroutine", message.body)
    await Parcel(order=message.body).asave()


@consumer("lost")
@consumer("late-coroutine", timeout=0.3)
async def late_coroutine(message: queues.Received) -> None:
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        note("cancelled", message.body)
        raise


@consumer(stream="events", group="billing")
def billing(record: Any) -> None:
    note("billing", [record.partition, record.offset, record.body])
    if record.body == "bad":
        raise Reject("bad")
    if record.body == "shaky" and record.attempts == 1:
        raise Retry(delay=0.01)


@consumer(stream="parts", group="shared")
def shared(record: Any) -> None:
    note("shared", [record.partition, record.offset, record.body])


@consumer(stream="moves", group="taken", atomic=True)
def taken(record: Any) -> None:
    note("taken", record.body)
    Parcel(order=record.body).save()
    hold(record.body)
