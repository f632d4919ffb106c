"""A producer and a consumer that keep a window full; they count, and read no more of a frame than they need."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable

from benchmarks.wire import WebSocket

BODY = b'"' + b"x" * 1022 + b'"'  # 1 KiB of JSON
RECEIPT = re.compile(rb'"receipt":"([^"]+)"')
ID = re.compile(rb'"id":(\d+)')
LOST = b"the connection was lost"


def publish_frame(queue: str, number: int, messages: int, body: bytes = BODY, *, mixed: bool = False) -> bytes:
    """``number`` becomes the command's id. ``mixed``: of all ten priorities, one after the other."""
    batch = b",".join(b'{"body":%s,"priority":%d}' % (body, n % 10) if mixed else b'{"body":%s}' % body for n in range(messages))
    return b'{"op":"publish","id":%d,"to":"queue:%s","messages":[%s]}' % (number, queue.encode(), batch)


class Trouble(Exception):
    """The broker answered with an error, or not at all."""


class Producer:
    """Publishes frames of ``batch`` messages, at most ``window`` of them unconfirmed."""

    def __init__(self, queue: str, *, batch: int, window: int, mixed: bool = False) -> None:
        self.batch, self.window = batch, window
        self.confirmed = self.sent = 0
        self.limit = 0  # messages that may be sent so far
        self.trouble: bytes | None = None
        head, _, self.tail = publish_frame(queue, 0, batch, mixed=mixed).partition(b'"id":0')
        self.head = head + b'"id":'
        self.changed = asyncio.Event()
        self.socket: WebSocket

    async def connect(self, url: str, token: str) -> None:
        self.socket = await WebSocket.connect(url, token, self.on_frame)
        self.socket.lost.add_done_callback(self.on_lost)

    def on_lost(self, lost: asyncio.Future[Exception | None]) -> None:
        self.trouble = self.trouble or LOST
        self.changed.set()

    def on_frame(self, payload: bytes) -> None:
        if payload.startswith(b'{"op":"ok"'):
            self.confirmed += self.batch
            self.fill()
        elif payload.startswith(b'{"op":"error"'):
            self.trouble = payload
        self.changed.set()

    def fill(self) -> None:
        """Send as many frames as the window and the limit allow, in one write each turn."""
        while self.sent < self.limit and self.sent - self.confirmed < self.window * self.batch:
            self.sent += self.batch
            self.socket.send(b"%s%d%s" % (self.head, self.sent, self.tail))

    def allow(self, limit: int) -> None:
        """Let messages up to this number be sent."""
        self.limit = max(self.limit, limit)
        self.fill()

    async def until(self, confirmed: int, timeout: float) -> None:
        """Wait until so many messages are confirmed."""
        deadline = time.monotonic() + timeout
        while self.confirmed < confirmed:
            self.changed.clear()
            if self.trouble or time.monotonic() > deadline:
                raise Trouble(f"{self.confirmed} of {confirmed} confirmed: {self.trouble!r}")
            await _changed(self.changed)


class Consumer:
    """Acknowledges every message of a queue, frame by frame or one by one, each ack confirmed."""

    def __init__(self, queue: str, *, prefetch: int, singly: bool = False) -> None:
        self.queue, self.prefetch, self.singly = queue, prefetch, singly
        self.delivered = self.acked = self.number = 0
        self.unconfirmed: dict[int, int] = {}
        self.trouble: bytes | None = None
        self.changed = asyncio.Event()
        self.on_acked: Callable[[], None] = lambda: None
        self.socket: WebSocket

    async def connect(self, url: str, token: str) -> None:
        self.socket = await WebSocket.connect(url, token, self.on_frame)
        self.socket.lost.add_done_callback(self.on_lost)

    def on_lost(self, lost: asyncio.Future[Exception | None]) -> None:
        self.trouble = self.trouble or LOST
        self.changed.set()

    def consume(self) -> None:
        """Subscribe; deliveries follow."""
        command = f'{{"op":"consume","id":0,"queue":"{self.queue}","prefetch":{self.prefetch},"lease":300}}'
        self.socket.send(command.encode())

    def on_frame(self, payload: bytes) -> None:
        if payload.startswith(b'{"op":"deliver"'):
            self.on_deliver(payload)
        elif payload.startswith(b'{"op":"ok"'):
            self.on_ok(payload)
        elif payload.startswith(b'{"op":"error"'):
            self.trouble = payload
        self.changed.set()

    def on_deliver(self, payload: bytes) -> None:
        receipts = RECEIPT.findall(payload)
        self.delivered += len(receipts)
        for batch in ([receipt] for receipt in receipts) if self.singly else (receipts,):
            self.number += 1
            self.unconfirmed[self.number] = len(batch)
            self.socket.send(b'{"op":"ack","id":%d,"receipts":["%s"]}' % (self.number, b'","'.join(batch)))

    def on_ok(self, payload: bytes) -> None:
        found = ID.search(payload)
        assert found is not None, payload
        self.acked += self.unconfirmed.pop(int(found[1]), 0)
        self.on_acked()

    async def until(self, acked: int, timeout: float) -> None:
        """Wait until so many acks are confirmed."""
        deadline = time.monotonic() + timeout
        while self.acked < acked:
            self.changed.clear()
            if self.trouble or time.monotonic() > deadline:
                raise Trouble(f"{self.acked} of {acked} acked, {self.delivered} delivered: {self.trouble!r}")
            await _changed(self.changed)


async def _changed(event: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(1):
            await event.wait()
    except TimeoutError:
        pass  # the caller looks at its deadline
