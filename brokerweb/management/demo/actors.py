"""Who works in the demo: publishers, workers that fail in their ways, one that holds and never settles, readers of the stream."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

from brokerweb.management.demo.client import Client, Json, Refused, Socket
from brokerweb.management.demo.scene import BLOCKED, POISON, Names, orders

PER_SECOND = 8  # orders that are placed, and as many that are paid
HELD = 8  # messages that the silent consumer holds


class Outcome(NamedTuple):
    """How a message ended: ``op`` settles it, with an error where it failed."""

    op: str = "ack"
    error: str = ""


Handler = Callable[[Json], Outcome]
DONE = Outcome()


@dataclass(frozen=True)
class Stage:
    """What all of them share."""

    client: Client
    names: Names
    rng: random.Random


async def publish(stage: Stage, limit: int) -> None:
    """The shop: so many orders a second, and at most so many messages in all."""
    client, place = stage.client.named("shop-api"), f"/topics/{stage.names('shop')}/messages"
    traffic = islice(orders(stage.rng), limit)
    while batch := [{"routing_key": key, **message} for key, message in islice(traffic, 2 * PER_SECOND)]:
        await client.call("POST", place, {"messages": batch})
        await asyncio.sleep(1)


async def overfill(stage: Stage) -> None:
    """A batch that fills its queue again whenever there is room in it, and is refused when there is none."""
    client, place = stage.client.named("nightly-batch"), f"/queues/{stage.names('exports')}/messages"
    while True:
        try:
            await client.call("POST", place, {"messages": [{"body": {"export": "customers", "tenant": "globex"}}]})
        except Refused:
            pass  # it is full: what the demo is to show
        await asyncio.sleep(2)


class Work(NamedTuple):
    """Who works on which queue, how many at once, and how long on each."""

    name: str
    queue: str
    prefetch: int
    seconds: float


async def work(stage: Stage, work: Work, handle: Handler) -> None:
    """Consume, and settle each message as the handler says."""
    async with stage.client.named(work.name).socket() as socket:
        await socket.say("consume", id=1, queue=stage.names(work.queue), prefetch=work.prefetch)
        async for frame in socket.frames("deliver"):
            for message in frame["messages"]:
                await _settle(socket, message, handle(message))
                await asyncio.sleep(work.seconds)


async def _settle(socket: Socket, message: Json, outcome: Outcome) -> None:
    receipt = message["receipt"]
    if outcome.op == "ack":
        await socket.say("ack", receipts=[receipt])
    elif outcome.op == "nack":
        await socket.say("nack", items=[{"receipt": receipt, "error": outcome.error}])
    else:
        await socket.say("dead", items=[{"receipt": receipt, "reason": outcome.error}])


async def hold(stage: Stage, name: str, queue: str) -> None:
    """Take as many as there is room for, keep their leases alive, and settle none: the silent consumer."""
    async with stage.client.named(name).socket() as socket:
        await socket.say("consume", id=1, queue=stage.names(queue), prefetch=HELD)
        held: list[str] = []
        async with asyncio.TaskGroup() as group:
            group.create_task(_keep(socket, held))
            async for frame in socket.frames("deliver"):
                held += [message["receipt"] for message in frame["messages"]]


async def _keep(socket: Socket, held: list[str]) -> None:
    while True:
        await asyncio.sleep(10)
        if held:
            await socket.say("extend", items=[{"receipt": receipt, "lease": 30} for receipt in held])


async def read(stage: Stage, name: str, group: str, seconds: float) -> None:
    """A member of a group: it takes so long for each record, and commits."""
    async with stage.client.named(name).socket() as socket:
        await socket.say("subscribe", id=1, stream=stage.names("events"), group=group, prefetch=20)
        async for frame in socket.frames("records"):
            records = frame["records"]
            for record in records:
                await asyncio.sleep(seconds)
                following = {str(frame["partition"]): str(int(record["offset"]) + 1)}
                await socket.say("commit", sub=frame["sub"], offsets=following)
            await socket.say("credit", sub=frame["sub"], n=len(records))


async def read_shared(stage: Stage, name: str, group: str) -> None:
    """A reader of a shared group, which cannot digest one of its records."""
    async with stage.client.named(name).socket() as socket:
        await socket.say("subscribe", id=1, stream=stage.names("events"), group=group, prefetch=20)
        async for frame in socket.frames("deliver"):
            for message in frame["messages"]:
                await _settle(socket, message, index(message))
                await asyncio.sleep(0.01)


async def redrive_again(stage: Stage) -> None:
    """Somebody puts dead letters back without mending their cause: they come again."""
    client = stage.client
    while True:
        await asyncio.sleep(20)
        place = f"/queues/{stage.names('thumbnails')}"
        found = await client.call("GET", f"{place}/messages?state=dead&limit=4")
        if ids := [message["id"] for message in found["items"]]:
            await client.call("POST", f"{place}/redrive", {"filter": {"ids": ids}})


# What each worker makes of a message


def order(message: Json) -> Outcome:
    total = message["body"]["order"]["total"]
    if total == POISON:
        return Outcome(
            "nack", _traceback("shop/orders.py", 41, "in book", f"ValueError: could not convert string to float: '{POISON}'")
        )
    return DONE


def payment(message: Json) -> Outcome:
    if message["key"] == BLOCKED:
        return Outcome("nack", "GatewayTimeout: bank-2.example did not answer within 30 s (request 7f3a9c)")
    return DONE


def mail(rng: random.Random) -> Handler:
    """A mail server that hangs up now and then."""

    def send(message: Json) -> Outcome:
        if rng.random() < 0.06:
            return Outcome("dead", f"SMTPServerDisconnected: Connection unexpectedly closed (message {rng.randrange(10**6)})")
        if rng.random() < 0.02:
            return Outcome("dead", _traceback("shop/mail.py", 88, "in address", "KeyError: 'zip'"))
        return DONE

    return send


def thumbnail(message: Json) -> Outcome:
    image = message["body"]["image"]
    if image.endswith("heic"):
        return Outcome(
            "nack", _traceback("shop/images.py", 17, "in open_image", f"UnsupportedImage: cannot read HEIC in '{image}'")
        )
    return DONE


def index(message: Json) -> Outcome:
    if message.get("offset") == "7":
        return Outcome("nack", "MappingError: field [total] of type [float] got a text")
    return DONE


def _traceback(file: str, line: int, where: str, last: str) -> str:
    return f'Traceback (most recent call last):\n  File "/srv/{file}", line {line}, {where}\n    …\n{last}'


def cast(stage: Stage, limit: int) -> list[Any]:
    """Everybody who works, as coroutines."""
    return [
        publish(stage, limit),
        overfill(stage),
        *(work(stage, Work(f"order-worker-{n}", "orders", 16, 0.05), order) for n in (1, 2)),
        work(stage, Work("payment-worker", "payments", 16, 0.05), payment),
        work(stage, Work("mailer-1", "emails", 16, 0.05), mail(stage.rng)),
        work(stage, Work("mailer-2", "receipts", 16, 0.05), mail(stage.rng)),
        work(stage, Work("thumbnailer", "thumbnails", 8, 0.1), thumbnail),
        work(stage, Work("exporter", "exports", 1, 15), lambda message: DONE),
        hold(stage, "webhook-sender", "webhooks"),
        read(stage, "billing-1", "billing", 0.002),
        read(stage, "analytics-1", "analytics", 0.25),
        read_shared(stage, "indexer-1", "search-index"),
        redrive_again(stage),
    ]
