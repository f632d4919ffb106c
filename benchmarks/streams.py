"""The workloads of streams and topics. Each is a coroutine of the load generator; it returns the figures of one JSON line."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.roles import BODY, RECEIPT, Consumer, Producer, Trouble, publish_frame
from benchmarks.target import Figures, Target, steady
from benchmarks.wire import WebSocket

SMALL = b'"' + b"x" * 98 + b'"'  # 100 bytes of JSON
OFFSET = re.compile(rb'"offset":"([0-9]+)"')
FEW, SUBSCRIBERS, WORKERS = 100_000, 100, 8


def declare(target: Target, path: str, **settings: Any) -> None:
    """PUT something below /api/v1."""
    headers = {"Authorization": f"Bearer {target.token}", "Content-Type": "application/json"}
    asked = Request(f"{target.url}/api/v1{path}", json.dumps(settings).encode(), headers, method="PUT")
    urlopen(asked, timeout=30).close()


class Appender(Producer):
    """A producer of a stream, or of any destination."""

    def __init__(self, to: str, *, batch: int, window: int, body: bytes = BODY) -> None:
        super().__init__("", batch=batch, window=window)
        head, _, self.tail = _frame(to, batch, body).partition(b'"id":0')
        self.head = head + b'"id":'


def _frame(to: str, batch: int, body: bytes) -> bytes:
    return publish_frame("", 0, batch, body).replace(b'"to":"queue:"', b'"to":"' + to.encode() + b'"')


class Subscriber:
    """Reads a stream of one partition from its beginning or its end, and gives credit back. A gap or a repetition is trouble."""

    def __init__(self, stream: str, start: str, *, prefetch: int = 10_000) -> None:
        self.command = f'{{"op":"subscribe","id":0,"stream":"{stream}","from":"{start}","prefetch":{prefetch}}}'.encode()
        self.got, self._owed, self._due = 0, 0, prefetch // 4
        self.bytes, self._next = 0, -1
        self.trouble: bytes | None = None
        self.on_records: Callable[[bytes], None] = lambda payload: None
        self.ready = asyncio.get_running_loop().create_future()
        self.socket: WebSocket

    async def connect(self, target: Target) -> None:
        """Subscribed, when this returns."""
        self.socket = await WebSocket.connect(target.url, target.token, self.on_frame)
        self.socket.send(self.command)
        await self.ready

    def on_frame(self, payload: bytes) -> None:
        if payload.startswith(b'{"op":"records"'):
            n = payload.count(b'"offset":"')
            self.got += n
            self.bytes += len(payload)
            self._check(payload, n)
            self._owed += n
            if self._owed >= self._due:
                self.socket.send(b'{"op":"credit","sub":"0","n":%d}' % self._owed)
                self._owed = 0
            self.on_records(payload)
        elif payload.startswith(b'{"op":"ok","id":0'):
            self.ready.set_result(None)
        elif payload.startswith((b'{"op":"error"', b'{"op":"closed"')):
            self.trouble = payload

    def _check(self, payload: bytes, n: int) -> None:
        first = OFFSET.search(payload)
        if first is None or self._next not in (-1, int(first[1])):
            self.trouble = b"%d was next, not what came: %b" % (self._next, payload[:200])
        self._next = int(first[1]) + n if first else -1


async def _appending(target: Target, to: str, **shape: Any) -> Appender:
    appender = Appender(to, **shape)
    await appender.connect(target.url, target.token)
    return appender


async def append(target: Target) -> Figures:
    """Append over WebSocket, frames of 100, one connection, every append confirmed."""
    declare(target, "/streams/events")
    appender = await _appending(target, "stream:events", batch=100, window=20)
    appender.allow(10**12)
    return await steady(target, lambda: appender.confirmed, lambda: appender.trouble, unit="records/s")


async def stored(target: Target) -> Figures:
    """Replay of what is stored to one subscriber."""
    declare(target, "/streams/events")
    filled = await _fill(target, target.waiting, BODY)
    reader = Subscriber("events", "earliest")
    watch = target.watch()
    await reader.connect(target)
    await _until(lambda: reader.got >= target.waiting, lambda: reader.trouble, 300)
    shares = watch.shares()
    rate = target.waiting / shares["seconds"]
    return {"rate": round(rate), "unit": "records/s", "stored": target.waiting, "append_rate": round(filled), **shares}


async def fanout(target: Target) -> Figures:
    """One live stream to 100 subscribers; appended in frames of 100 as fast as all of them take it."""
    declare(target, "/streams/events")
    readers = [Subscriber("events", "latest") for _ in range(SUBSCRIBERS)]
    for reader in readers:
        await reader.connect(target)
    appender = await _appending(target, "stream:events", batch=100, window=8)
    pace = readers[-1]
    pace.on_records = lambda payload: appender.allow(min(reader.got for reader in readers) + 2000)
    appender.allow(2000)
    figures = await steady(
        target,
        lambda: sum(reader.got for reader in readers),
        lambda: appender.trouble or next((reader.trouble for reader in readers if reader.trouble), None),
        unit="deliveries/s",
    )
    each = sum(reader.bytes for reader in readers) / sum(reader.got for reader in readers)
    return {**figures, "subscribers": SUBSCRIBERS, "bytes_per_delivery": round(each)}


async def topic(target: Target) -> Figures:
    """Publish to a topic with ten bound queues, frames of 10, every publish confirmed."""
    bindings = [{"pattern": "orders.*", "to": f"queue:q{n}"} for n in range(10)]
    for n in range(10):
        declare(target, f"/queues/q{n}")
    declare(target, "/topics/orders", bindings=bindings)
    publisher = Appender("topic:orders", batch=10, window=40)
    publisher.tail = publisher.tail.replace(b'{"body":', b'{"routing_key":"orders.created","body":')
    await publisher.connect(target.url, target.token)
    publisher.allow(10**12)
    figures = await steady(target, lambda: publisher.confirmed, lambda: publisher.trouble, unit="publishes/s")
    return {**figures, "copies_per_second": figures["rate"] * 10}


async def live(target: Target, rate: int = 500) -> Figures:
    """From append to the record at a subscriber, at a steady rate, one record a frame."""
    declare(target, "/streams/events")
    sent_at: dict[int, float] = {}
    samples: list[float] = []
    number = re.compile(rb'"n":(\d+)')

    def on_records(payload: bytes) -> None:
        now = time.perf_counter()
        samples.extend(now - sent_at.pop(int(n)) for n in number.findall(payload))

    reader = Subscriber("events", "latest")
    reader.on_records = on_records
    await reader.connect(target)
    appender = await WebSocket.connect(target.url, target.token, lambda payload: None)
    await asyncio.sleep(0.5)
    watch = target.watch()
    for n in range(int(rate * target.seconds)):
        await asyncio.sleep(max(0, watch.began + n / rate - time.perf_counter()))
        sent_at[n] = time.perf_counter()
        text = b'{"op":"publish","to":"stream:events","messages":[{"body":{"n":%d,"pad":%s}}]}' % (n, BODY[:1000] + b'"')
        appender.send(text)
    shares = watch.shares()
    await _until(lambda: not sent_at, lambda: reader.trouble, 10)
    samples.sort()
    return {**{f"p{p}_ms": round(samples[len(samples) * p // 100] * 1000, 2) for p in (50, 90, 99)}, "rate": rate, **shares}


class Worker(Consumer):
    """A consumer of a shared group."""

    def consume(self) -> None:
        self.socket.send(b'{"op":"subscribe","id":0,"stream":"events","group":"workers","prefetch":%d}' % self.prefetch)

    def on_deliver(self, payload: bytes) -> None:
        receipts = RECEIPT.findall(payload)
        self.delivered += len(receipts)
        self.number += 1
        self.unconfirmed[self.number] = len(receipts)
        self.socket.send(b'{"op":"ack","id":%d,"receipts":["%s"]}' % (self.number, b'","'.join(receipts)))


async def shared(target: Target) -> Figures:
    """A shared group of eight consumers over four partitions, fed live, every record acked, every ack confirmed."""
    declare(target, "/streams/events", partitions=4)
    declare(target, "/streams/events/groups/workers", kind="shared", start="earliest")
    workers = [Worker("", prefetch=1000) for _ in range(WORKERS)]
    appender = await _appending(target, "stream:events", batch=100, window=20)

    def acked() -> int:
        return sum(worker.acked for worker in workers)

    for worker in workers:
        worker.on_acked = lambda: appender.allow(acked() + 8000)
        await worker.connect(target.url, target.token)
        worker.consume()
    appender.allow(8000)
    trouble = lambda: appender.trouble or next((w.trouble for w in workers if w.trouble), None)  # noqa: E731 (two words)
    return {**await steady(target, acked, trouble, unit="records/s"), "consumers": WORKERS}


async def full(target: Target) -> Figures:
    """The append rate with many records of 100 bytes stored, against the rate with 100,000."""
    declare(target, "/streams/events")
    few = await _fill(target, FEW, SMALL)
    small = [await _fill(target, FEW // 2, SMALL) for _ in range(3)]
    most = target.waiting * 2
    filled = await _fill(target, most, SMALL)
    large = [await _fill(target, FEW // 2, SMALL) for _ in range(3)]
    before, after = sorted(small)[1], sorted(large)[1]
    figures = {"rate_small": round(before), "rate_large": round(after), "rate_first": round(few), "rate_filling": round(filled)}
    return {"ratio": round(after / before, 2), "unit": f"append rate with {most} stored / with {FEW}", **figures}


async def _fill(target: Target, number: int, body: bytes) -> float:
    """Append ``number`` records; the rate."""
    appender = await _appending(target, "stream:events", batch=100, window=20, body=body)
    start = time.perf_counter()
    appender.allow(number)
    await appender.until(number, 900)
    appender.socket.transport.close()
    return number / (time.perf_counter() - start)


async def _until(done: Callable[[], bool], broken: Callable[[], bytes | None], timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while not done():
        if broken() or time.monotonic() > deadline:
            raise Trouble(f"not done: {broken()!r}")
        await asyncio.sleep(0.002)


STREAM_WORKLOADS = {
    "append": append,
    "stored": stored,
    "fanout": fanout,
    "topic": topic,
    "live": live,
    "shared": shared,
    "full": full,
}
