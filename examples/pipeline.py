"""A pipeline: stages with a queue between, each scaled by itself. A stage hands on and acknowledges in one commit (transact),
so that whatever dies, every order passes every stage once.

    BROKERWEB_TOKEN=bw_… python examples/pipeline.py
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from broker import Socket, call, run, socket

ORDERS = 12
Step = Callable[[Any], Any]


def price(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"price": order["items"] * 5}


def tax(order: dict[str, Any]) -> dict[str, Any]:
    return order | {"tax": order["price"] // 5}


async def stage(source: str, step: Step, target: str) -> None:
    """Take from one queue, hand on to the next."""
    async with socket() as broker:
        await broker.say("consume", id="in", queue=source, prefetch=8)
        async for frame in broker.frames("deliver"):
            for message in frame["messages"]:
                await hand_on(broker, source, message, (target, step(message["body"])))


async def hand_on(broker: Socket, source: str, message: dict[str, Any], to: tuple[str, Any]) -> None:
    target, body = to
    await broker.say(
        "transact",
        settle={source: {"ack": [message["receipt"]]}},
        publish=[{"to": f"queue:{target}", "messages": [{"body": body}]}],
    )


async def collect() -> list[Any]:
    """What comes out at the end."""
    done: list[Any] = []
    async with socket() as broker:
        await broker.say("consume", id=1, queue="pipe-done")
        async for frame in broker.frames("deliver"):
            await broker.say("ack", receipts=[message["receipt"] for message in frame["messages"]])
            done += [message["body"] for message in frame["messages"]]
            if len(done) >= ORDERS:
                break
    return done


def prepare() -> None:
    """The queues between the stages, and the orders that are to pass."""
    for queue in ("pipe-orders", "pipe-priced", "pipe-done"):
        call("PUT", f"/queues/{queue}", {})
    call("POST", "/queues/pipe-orders/messages", {"messages": [{"body": {"order": n, "items": n + 1}} for n in range(ORDERS)]})


async def main() -> None:
    async with asyncio.TaskGroup() as group:
        stages = [
            group.create_task(stage(*each))
            for each in [("pipe-orders", price, "pipe-priced")] * 2 + [("pipe-priced", tax, "pipe-done")]
        ]
        done = await collect()
        for task in stages:
            task.cancel()
    print(f"{len(done)} orders, {len({order['order'] for order in done})} of them different")
    print(f"{sum(order['price'] + order['tax'] for order in done)} in all")


if __name__ == "__main__":
    run(prepare, main)
