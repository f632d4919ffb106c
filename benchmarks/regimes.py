"""The regimes people run: ordinary windows, single messages, several clients, a backlog."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from benchmarks.roles import Consumer, Producer
from benchmarks.target import Figures, Target, steady

BACKLOG = 20_000  # messages that publishers may be ahead of the consumers


async def _regime(
    target: Target, *, publishers: int = 1, consumers: int = 1, batch: int, window: int, prefetch: int, singly: bool = False
) -> Figures:
    """So many of each; a publisher has ``window`` frames of ``batch`` messages unconfirmed, and all acks are confirmed."""
    target.declare("orders")
    producing = [Producer("orders", batch=batch, window=window) for _ in range(publishers)]
    consuming = [Consumer("orders", prefetch=prefetch, singly=singly) for _ in range(consumers)]
    everybody: list[Producer | Consumer] = [*producing, *consuming]
    await asyncio.gather(*(each.connect(target.url, target.token) for each in everybody))

    def acked() -> int:
        return sum(consumer.acked for consumer in consuming)

    def allow() -> None:
        share = (acked() + BACKLOG) // publishers
        for producer in producing:
            producer.allow(share)

    for consumer in consuming:
        consumer.on_acked = allow
        consumer.consume()
    allow()
    figures = await steady(target, acked, lambda: next(filter(None, (each.trouble for each in everybody)), None))
    waiting = sum(producer.confirmed for producer in producing) - acked()
    return {**figures, "publishers": publishers, "consumers": consumers, "batch": batch, "prefetch": prefetch, "waiting": waiting}


async def prefetch_32(target: Target) -> Figures:
    """Frames of 100, the default prefetch, a backlog."""
    return await _regime(target, batch=100, window=20, prefetch=32)


async def prefetch_100(target: Target) -> Figures:
    """Frames of 100, prefetch 100, a backlog."""
    return await _regime(target, batch=100, window=20, prefetch=100)


async def prefetch_500(target: Target) -> Figures:
    """Frames of 100, prefetch 500, a backlog."""
    return await _regime(target, batch=100, window=20, prefetch=500)


async def prefetch_10000(target: Target) -> Figures:
    """Frames of 100, and so much room that most messages are handed over in their publish."""
    return await _regime(target, batch=100, window=20, prefetch=10_000)


async def crowd(target: Target) -> Figures:
    """4 publishers of single messages, 8 consumers with the default prefetch, a frame of acks for each delivery."""
    return await _regime(target, publishers=4, consumers=8, batch=1, window=16, prefetch=32)


async def one_by_one(target: Target) -> Figures:
    """One publisher, one consumer, default prefetch: one message a frame, one receipt an ack."""
    return await _regime(target, batch=1, window=32, prefetch=32, singly=True)


async def confirmed(target: Target) -> Figures:
    """Publishes of one message over 16 WebSockets, each confirmed before the next."""
    target.declare("orders")
    producers = [Producer("orders", batch=1, window=1) for _ in range(16)]
    await asyncio.gather(*(producer.connect(target.url, target.token) for producer in producers))
    for producer in producers:
        producer.allow(10**9)
    return await steady(
        target, lambda: sum(p.confirmed for p in producers), lambda: next(filter(None, (p.trouble for p in producers)), None)
    )


REGIMES: dict[str, Callable[[Target], Awaitable[Figures]]] = {
    each.__name__: each for each in (prefetch_32, prefetch_100, prefetch_500, prefetch_10000, crowd, one_by_one, confirmed)
}
