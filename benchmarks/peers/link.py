"""One connection to a peer, and the window of a publisher: what the lean clients of all peers have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Self, cast
from urllib.parse import urlsplit


class Link(asyncio.Protocol):
    """Bytes come into ``buffer``; ``cut`` takes whole messages off it, ``after_read`` is called once for all of one read."""

    def __init__(self) -> None:
        self.buffer = bytearray()
        self.trouble: bytes | None = None
        self.transport: asyncio.Transport
        self.waiting: dict[Any, asyncio.Future[bytes]] = {}

    async def open(self, url: str) -> Self:
        """Connect to the host and the port of a URL."""
        parts = urlsplit(url)
        await asyncio.get_running_loop().create_connection(lambda: self, parts.hostname or "", parts.port or 0)
        return self

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        self.trouble = self.trouble or b"the connection was lost"
        for future in self.waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(self.trouble.decode(errors="replace")))

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        self.cut()
        self.after_read()

    def cut(self) -> None:
        """Take whole messages off the buffer."""
        raise NotImplementedError

    def after_read(self) -> None:
        """Whatever is done once for all messages of a read."""

    def reply(self, key: Any) -> asyncio.Future[bytes]:
        """What will come under this key."""
        self.waiting[key] = asyncio.get_running_loop().create_future()
        return self.waiting[key]


class Window:
    """Publishes ``batch`` messages a write, at most ``window`` times ``batch`` unconfirmed, up to a limit."""

    def __init__(self, batch: int, window: int, send: Callable[[int], None]) -> None:
        self.batch, self.room, self.send = batch, window * batch, send
        self.sent = self.confirmed = self.limit = 0

    def allow(self, limit: int) -> None:
        """Let messages up to this number be sent."""
        self.limit = max(self.limit, limit)
        self.fill()

    def confirm(self, number: int) -> None:
        """So many more are confirmed; ``fill`` follows when a read is through."""
        self.confirmed += number

    def fill(self) -> None:
        """Send what window and limit allow."""
        while self.sent < self.limit and self.sent + self.batch - self.confirmed <= self.room:
            self.sent += self.batch
            self.send(self.sent - self.batch)
