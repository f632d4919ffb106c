"""The workloads. Each is a coroutine of the load generator; it returns the figures of one JSON line."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial

from benchmarks.answers import searched
from benchmarks.process import rss_mib, rss_total_mib
from benchmarks.regimes import KINDS, REGIMES, drive, lasting
from benchmarks.roles import BODY, Consumer, Producer
from benchmarks.streams import STREAM_WORKLOADS
from benchmarks.target import Figures, Target, steady
from benchmarks.wire import Http, WebSocket, request


async def _end_to_end(target: Target, *, batch: int, window: int, singly: bool, in_flight: int) -> Figures:
    """One producer, one consumer; at most ``in_flight`` messages are published and not yet acknowledged."""
    target.declare("orders")
    producer = Producer("orders", batch=batch, window=window)
    consumer = Consumer("orders", prefetch=max(1000, in_flight), singly=singly)
    await asyncio.gather(producer.connect(target.url, target.token), consumer.connect(target.consumers_url, target.token))
    consumer.consume()
    consumer.on_acked = lambda: producer.allow(consumer.acked + in_flight)
    producer.allow(in_flight)
    figures = await steady(target, lambda: consumer.acked, lambda: producer.trouble or consumer.trouble)
    return {**figures, "batch": batch, "in_flight": in_flight}


async def batches(target: Target) -> Figures:
    """End to end over WebSocket, frames of 100, every ack confirmed."""
    return await _end_to_end(target, batch=100, window=20, singly=False, in_flight=4000)


async def singles(target: Target) -> Figures:
    """End to end over WebSocket, one message a publish frame, one receipt an ack frame, pipelined."""
    return await _end_to_end(target, batch=1, window=400, singly=True, in_flight=800)


async def rest(target: Target) -> Figures:
    """Confirmed publish over REST, one message a request, 16 connections."""
    target.declare("orders")
    post = request(target.url, target.token, "/queues/orders/messages", b'{"messages":[{"body":%s}]}' % BODY)
    done, wrong = 0, 0

    def answered(connection: list[Http], status: int) -> None:
        nonlocal done, wrong
        done, wrong = done + 1, wrong or (status if status != 201 else 0)
        connection[0].transport.write(post)

    for _ in range(16):
        own: list[Http] = []
        own.append(await Http.connect(target.url, lambda status, own=own: answered(own, status)))  # type: ignore[misc]  # a default binds the loop's value
        own[0].transport.write(post)
    return await steady(target, lambda: done, lambda: wrong)


async def latency(target: Target, rate: int = 500) -> Figures:
    """From publish to delivery at a steady rate, one message a frame, each acknowledged."""
    target.declare("orders")
    samples: list[float] = []
    sent_at: dict[int, float] = {}
    number = re.compile(rb'"n":(\d+)')
    consumer = Consumer("orders", prefetch=1000)
    deliver = consumer.on_deliver

    def on_deliver(payload: bytes) -> None:
        now = time.perf_counter()
        samples.extend(now - sent_at.pop(int(n)) for n in number.findall(payload))
        deliver(payload)

    consumer.on_deliver = on_deliver  # type: ignore[method-assign]  # to take the time of each
    producer = await WebSocket.connect(target.url, target.token, lambda payload: None)
    await consumer.connect(target.consumers_url, target.token)
    consumer.consume()
    await asyncio.sleep(0.5)
    watch = target.watch()
    for n in range(int(rate * target.seconds)):
        await asyncio.sleep(max(0, watch.began + n / rate - time.perf_counter()))
        sent_at[n] = time.perf_counter()
        text = b'{"op":"publish","to":"queue:orders","messages":[{"body":{"n":%d,"pad":%s}}]}' % (n, BODY[:1000] + b'"')
        producer.send(text)
    shares = watch.shares()
    await consumer.until(int(rate * target.seconds), 10)
    samples.sort()
    return {**{f"p{p}_ms": round(samples[len(samples) * p // 100] * 1000, 2) for p in (50, 90, 99)}, "rate": rate, **shares}


async def _fill(target: Target, queue: str, number: int, *, mixed: bool = False) -> float:
    """Publish ``number`` messages; the rate."""
    producer = Producer(queue, batch=500, window=8, mixed=mixed)
    await producer.connect(target.url, target.token)
    start = time.perf_counter()
    producer.allow(number)
    await producer.until(number, 600)
    producer.socket.transport.close()
    return number / (time.perf_counter() - start)


async def _drain(target: Target, queue: str, number: int, *, limit: float) -> Figures:
    """Consume and acknowledge what waits, all of it or as much as ``limit`` seconds allow; the rate."""
    consumer = Consumer(queue, prefetch=2000)
    await consumer.connect(target.url, target.token)
    watch = target.watch()
    consumer.consume()
    deadline = asyncio.create_task(asyncio.sleep(limit))
    while consumer.acked < number and not deadline.done():
        await consumer.until(min(number, consumer.acked + 1), limit)
    shares = watch.shares()
    deadline.cancel()
    consumer.socket.transport.close()
    return {"rate": round(consumer.acked / shares["seconds"]), "drained": consumer.acked, **shares}


async def backlog(target: Target, *, mixed: bool = False) -> Figures:
    """Draining a large backlog against small ones, and memory: idle, and with the large backlog waiting. ``mixed``: of ten
    priorities."""
    await asyncio.sleep(2)
    idle, idle_total = rss_mib(target.pid), rss_total_mib(target.pid)
    small: list[int] = []
    target.declare("small")
    for _ in range(5):
        await _fill(target, "small", 10_000, mixed=mixed)
        small.append((await _drain(target, "small", 10_000, limit=30))["rate"])
    target.declare("large")
    filled = await _fill(target, "large", target.waiting, mixed=mixed)
    await asyncio.sleep(2)
    full, full_total = rss_mib(target.pid), rss_total_mib(target.pid)
    large = await _drain(target, "large", target.waiting, limit=120)
    median = sorted(small)[2]
    return {
        "ratio": round(large["rate"] / median, 2),
        "unit": f"rate draining {target.waiting} / rate draining 10000",
        "rate_small": median,
        "rate_large": large["rate"],
        "publish_rate": round(filled),
        "memory_idle_mib": round(idle_total, 1),
        "memory_waiting_mib": round(full_total, 1),
        "memory_grown_mib": round(full_total - idle_total, 1),
        "anonymous_idle_mib": round(idle, 1),
        "anonymous_waiting_mib": round(full, 1),
        **{name: large[name] for name in ("drained", "seconds", "server_cores", "generator_cores")},
    }


# The tables of the bench, in their order: a title, and its rows.
TABLES: dict[str, dict[str, Callable[[Target], Awaitable[Figures]]]] = {
    "The regimes people run": {name: partial(drive, regime) for name, regime in REGIMES.items()},
    "By the two usual kinds of clients": {name: partial(drive, regime) for name, regime in KINDS.items()},
    "Queues": {"batches": batches, "singles": singles, "rest": rest, "latency": latency, "backlog": backlog},
    "Streams and topics": dict(STREAM_WORKLOADS),
    "Answers": {"searched": searched},
    "For long": {"lasting": lasting, "backlog_mixed": partial(backlog, mixed=True)},
}
WORKLOADS = {name: workload for table in TABLES.values() for name, workload in table.items()}
