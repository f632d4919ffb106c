"""A number of messages through a publisher and a consumer of the bench, until the last is acknowledged."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.clients import clients_of, first_trouble
from benchmarks.target import Target


async def settled(target: Target, *, batch: int, singly: bool, number: int, timeout: float = 60) -> tuple[int, int]:
    """Confirms and acks counted when there are no more; an error of the broker, or none at all in time, fails."""
    made = clients_of(target.url)
    await made.declare(target)
    publisher, consumer = made.publisher(batch=batch, window=4), made.consumer(prefetch=32, singly=singly)
    for each in (publisher, consumer):
        await each.connect(target.url, target.token)
    consumer.consume()
    publisher.allow(number)
    async with asyncio.timeout(timeout):
        while consumer.acked < number or publisher.confirmed < number:
            trouble = first_trouble([publisher, consumer])
            assert not trouble, trouble
            await asyncio.sleep(0.01)
    counted = publisher.confirmed, consumer.acked
    connected: list[Any] = [publisher, consumer]
    for each in connected:  # who comes next to this broker is to have the queue for itself
        getattr(each, "socket", each).transport.close()  # what was written goes out before
    return counted
