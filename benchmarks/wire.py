"""Lean clients, so that the load generator is not the limit: WebSocket and HTTP framing by hand on asyncio's transports.

Frames are masked with zeros, which RFC 6455 allows and which leaves the payload as it is. Incoming frames are cut out of
the stream and handed over as bytes; nothing is parsed as JSON that need not be.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast
from urllib.parse import urlsplit

OnFrame = Callable[[bytes], None]


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or 80


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A whole client frame."""
    size = len(payload)
    if size < 126:
        head = bytes((0x80 | opcode, 0x80 | size))
    elif size < 65_536:
        head = bytes((0x80 | opcode, 0xFE)) + size.to_bytes(2, "big")
    else:
        head = bytes((0x80 | opcode, 0xFF)) + size.to_bytes(8, "big")
    return head + bytes(4) + payload


class WebSocket(asyncio.Protocol):
    """One connection; ``on_frame`` gets each text frame's payload."""

    def __init__(self, on_frame: OnFrame) -> None:
        self.on_frame = on_frame
        self.buffer = bytearray()
        self.opened = asyncio.get_running_loop().create_future()
        self.lost = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    @classmethod
    async def connect(
        cls, url: str, token: str, on_frame: OnFrame, *, path: str = "/ws", protocol: str = "brokerweb.v1"
    ) -> WebSocket:
        """Connect and wait for the broker's answer to the handshake."""
        loop, (host, port) = asyncio.get_running_loop(), _address(url)
        _, socket = await loop.create_connection(lambda: cls(on_frame), host, port)
        socket.transport.write(
            f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: {protocol}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
        )
        await asyncio.wait_for(socket.opened, 10)
        return socket

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def connection_lost(self, error: Exception | None) -> None:
        if not self.lost.done():
            self.lost.set_result(error)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if not self.opened.done() and not self._opened():
            return
        self._frames()

    def _opened(self) -> bool:
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not self.buffer.startswith(b"HTTP/1.1 101"):
            self.opened.set_exception(ConnectionError(bytes(self.buffer[:200]).decode(errors="replace")))
            return False
        del self.buffer[: end + 4]
        self.opened.set_result(None)
        return True

    def _frames(self) -> None:
        buffer, at = self.buffer, 0
        while len(buffer) - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(buffer[at + 2 : at + 10], "big"), at + 10
            if start > len(buffer) or len(buffer) - start < size:
                break
            self._frame(buffer[at] & 0x0F, bytes(buffer[start : start + size]))
            at = start + size
        del buffer[:at]

    def _frame(self, opcode: int, payload: bytes) -> None:
        if opcode == 1:
            self.on_frame(payload)
        elif opcode == 9:
            self.transport.write(frame(payload, 10))
        elif opcode == 8:
            self.transport.close()

    def send(self, payload: bytes) -> None:
        self.transport.write(frame(payload))


class Http(asyncio.Protocol):
    """One keep-alive connection; ``on_answer`` gets each status. Requests are sent whole, answers counted by their length."""

    def __init__(self, on_answer: Callable[[int], None]) -> None:
        self.on_answer = on_answer
        self.buffer = bytearray()
        self.transport: asyncio.Transport

    @classmethod
    async def connect(cls, url: str, on_answer: Callable[[int], None]) -> Http:
        _, http = await asyncio.get_running_loop().create_connection(lambda: cls(on_answer), *_address(url))
        return http

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while (end := self.buffer.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.buffer[:end]).lower()
            whole = end + 4 + _length(head)
            if len(self.buffer) < whole:
                return
            del self.buffer[:whole]
            self.on_answer(int(head[9:12]))


def _length(head: bytes) -> int:
    start = head.find(b"content-length:")
    if start < 0:
        raise ConnectionError(f"an answer without a length: {head!r}")
    return int(head[start + 15 :].split(b"\r\n", 1)[0])


def request(url: str, token: str, path: str, body: bytes) -> bytes:
    """A whole POST request."""
    head = (
        f"POST /api/v1{path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body
