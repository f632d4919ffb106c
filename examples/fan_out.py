"""Fan-out: one publish, and everybody who is concerned has a copy: two queues of workers, and a log that can be read again.

BROKERWEB_TOKEN=bw_… python examples/fan_out.py
"""

from __future__ import annotations

import asyncio

from broker import call, run, socket

ORDERS = 20


def prepare() -> None:
    """The topic, and where its messages go: every order to the log, paid ones to billing, ones from the EU to customs."""
    for queue in ("fan-billing", "fan-customs"):
        call("PUT", f"/queues/{queue}", {})
    call("PUT", "/streams/fan-log", {})
    bindings = [
        {"pattern": "orders.#", "to": "stream:fan-log"},
        {"pattern": "orders.*.paid", "to": "queue:fan-billing"},
        {"pattern": "orders.eu.*", "to": "queue:fan-customs"},
    ]
    call("PUT", "/topics/fan-orders", {"bindings": bindings})


async def produce() -> None:
    async with socket() as broker:
        for n in range(ORDERS):
            key = f"orders.{'eu' if n % 2 else 'us'}.{'paid' if n % 4 else 'open'}"
            await broker.say("publish", id=n, to="topic:fan-orders", messages=[{"body": {"order": n}, "routing_key": key}])
        confirmed = 0
        async for _ in broker.frames("ok"):  # each after the commit that stored every copy
            confirmed += 1
            if confirmed == ORDERS:
                return


async def work(queue: str, expected: int) -> int:
    """Handle what a queue is sent; how many that was."""
    done = 0
    async with socket() as broker:
        await broker.say("consume", id=1, queue=queue)
        async for frame in broker.frames("deliver"):
            await broker.say("ack", receipts=[message["receipt"] for message in frame["messages"]])
            done += len(frame["messages"])
            if done >= expected:
                break
    return done


async def read_all() -> int:
    """Read the log from its beginning; reading takes nothing away."""
    seen = 0
    async with socket() as broker:
        await broker.say("subscribe", id=1, stream="fan-log", **{"from": "earliest"})
        async for frame in broker.frames("records"):
            seen += len(frame["records"])
            if seen >= ORDERS:
                break
    return seen


async def main() -> None:
    paid, eu = sum(n % 4 > 0 for n in range(ORDERS)), sum(n % 2 for n in range(ORDERS))
    _, billed, cleared, logged = await asyncio.gather(produce(), work("fan-billing", paid), work("fan-customs", eu), read_all())
    print(f"{ORDERS} orders: {billed} billed, {cleared} through customs, {logged} logged")


if __name__ == "__main__":
    run(prepare, main)
