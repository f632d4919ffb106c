"""A lean client of STOMP 1.2 over WebSocket: a receipt for each message, acks up to a message or of each."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

from benchmarks.peers.link import Window
from benchmarks.roles import LOST
from benchmarks.wire import WebSocket

ACK = re.compile(rb"\nack:([^\n]+)\n")
DESTINATION = b"/queue/orders"  # a durable classic queue


def frame(name: bytes, body: bytes = b"", **headers: bytes) -> bytes:
    """A whole frame; ``_`` in a header's name stands for ``-``."""
    lines = b"".join(b"%b:%b\n" % (header.replace("_", "-").encode(), value) for header, value in headers.items())
    return b"%b\n%b\n%b\0" % (name, lines, body)


class Client:
    """A connection that is signed in as guest."""

    def __init__(self) -> None:
        self.trouble: bytes | None = None
        self.socket: WebSocket

    async def connect(self, url: str, token: str) -> None:
        self.connected = asyncio.get_running_loop().create_future()
        self.socket = await WebSocket.connect(url, token, self._came, path="/ws", protocol="v12.stomp")
        self.socket.lost.add_done_callback(self.on_lost)
        sign_in = {"accept_version": b"1.2", "host": b"/", "login": b"guest", "passcode": b"guest", "heart_beat": b"0,0"}
        self.socket.send(frame(b"CONNECT", **sign_in))
        await asyncio.wait_for(self.connected, 30)

    def on_lost(self, lost: asyncio.Future[Exception | None]) -> None:
        self.trouble = self.trouble or LOST

    def _came(self, payload: bytes) -> None:
        if payload.startswith(b"CONNECTED"):
            self.connected.set_result(None)
        elif payload.startswith(b"ERROR"):
            self.trouble = payload
        else:
            self.on_frame(payload)

    def on_frame(self, payload: bytes) -> None:
        """A message or a receipt."""


class Publisher(Client):
    """Asks a receipt for each message, which comes with the broker's confirm."""

    def __init__(self, body: bytes, *, batch: int, window: int) -> None:
        super().__init__()
        self.batch, self.window = batch, Window(batch, window, self._send)
        self.parts = frame(
            b"SEND", body, destination=DESTINATION, persistent=b"true", receipt=b"%d", content_length=b"%d" % len(body)
        ).split(b"%d")

    @property
    def confirmed(self) -> int:
        return self.window.confirmed

    def _send(self, sent: int) -> None:
        head, tail = self.parts
        for number in range(sent, sent + self.batch):
            self.socket.send(b"%b%d%b" % (head, number, tail))

    def allow(self, limit: int) -> None:
        self.window.allow(limit)

    def on_frame(self, payload: bytes) -> None:
        self.window.confirm(payload.startswith(b"RECEIPT"))
        self.window.fill()


class Consumer(Client):
    """Acknowledges up to the last message of a read, or each."""

    def __init__(self, *, prefetch: int, singly: bool) -> None:
        super().__init__()
        self.prefetch, self.singly = prefetch, singly
        self.acked = 0
        self.came: list[bytes] = []
        self.on_acked: Callable[[], None] = lambda: None

    def consume(self) -> None:
        mode = b"client-individual" if self.singly else b"client"
        wanted = {"id": b"0", "destination": DESTINATION, "ack": mode, "prefetch_count": b"%d" % self.prefetch}
        self.socket.send(frame(b"SUBSCRIBE", **wanted))

    def on_frame(self, payload: bytes) -> None:
        found = ACK.search(payload)
        if found is None:
            return
        if not self.came:
            asyncio.get_running_loop().call_soon(self._acknowledge)  # when the read is through
        self.came.append(found[1])

    def _acknowledge(self) -> None:
        for name in self.came if self.singly else self.came[-1:]:
            self.socket.send(frame(b"ACK", id=name))
        self.acked += len(self.came)
        self.came.clear()
        self.on_acked()
