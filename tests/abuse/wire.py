"""Bytes on a socket: HTTP as nobody should send it, and WebSocket frames made by hand."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.server import TOKEN, Server

TEXT, BINARY, CLOSE, PING, PONG, CONTINUATION = 1, 2, 8, 9, 10, 0
FIN = 0x80
LONG = 15.0  # seconds; a deadline, not an expectation


@contextmanager
def connected(server: Server, timeout: float = LONG) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", server.port), timeout) as connection:
        yield connection


def head(server: Server, line: str, *headers: str, authorized: bool = True) -> bytes:
    """A request's head; ``Host`` is given unless one is among the headers."""
    lines = [line]
    if not any(header.lower().startswith("host:") for header in headers):
        lines.append(f"Host: 127.0.0.1:{server.port}")
    if authorized:
        lines.append(f"Authorization: Bearer {TOKEN}")
    return ("\r\n".join([*lines, *headers]) + "\r\n\r\n").encode("latin-1")


def rest_of(connection: socket.socket) -> bytes:
    """Everything until the other side ends the connection, by whatever means, or says nothing for long."""
    received = b""
    with suppress(ConnectionError):
        while chunk := connection.recv(1 << 20):
            received += chunk
    return received


def exchange(server: Server, data: bytes, timeout: float = LONG) -> bytes:
    """What a server answers to bytes, until it closes; b"" when it just closes. Raises TimeoutError if it does not."""
    with connected(server, timeout) as connection:
        with suppress(ConnectionError):
            connection.sendall(data)
        return rest_of(connection)


def statuses(answer: bytes) -> list[int]:
    """The statuses of the responses in an answer."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answer)]


# WebSocket


@contextmanager
def upgraded(
    server: Server, *, authorized: bool = True, timeout: float = LONG, extra: tuple[str, ...] = ()
) -> Iterator[socket.socket]:
    """A WebSocket of which only the ``hello`` has been read."""
    lines = (
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: brokerweb.v1",
        *extra,
    )
    with connected(server, timeout) as connection:
        connection.sendall(head(server, "GET /ws HTTP/1.1", *lines, authorized=authorized))
        received = b""
        while b'"hello"' not in received or not received.endswith(b"}"):
            chunk = connection.recv(65_536)
            assert chunk, f"no hello: {received!r}"
            received += chunk
        assert received.startswith(b"HTTP/1.1 101")
        yield connection


def frame(payload: bytes, kind: int = TEXT, *, first: int = FIN, masked: bool = True, length: int | None = None) -> bytes:
    """One frame; ``length`` may lie. The mask is zeros, which change nothing."""
    size = len(payload) if length is None else length
    mark = 0x80 if masked else 0
    if size < 126:
        start = bytes([first | kind, mark | size])
    elif size < 65_536:
        start = bytes([first | kind, mark | 126]) + struct.pack(">H", size)
    else:
        start = bytes([first | kind, mark | 127]) + struct.pack(">Q", size)
    return start + (bytes(4) if masked else b"") + payload


def closed_with(connection: socket.socket) -> int | None:
    """The code of the close frame that ends a socket; None where the connection just ends."""
    received, code = b"", None
    with suppress(ConnectionError):
        while code is None and (chunk := connection.recv(1 << 20)):
            received += chunk
            code = close_code(received)
    return code


def close_code(received: bytes) -> int | None:
    """The code of the close frame among a server's frames; None without one."""
    while len(received) >= 2:
        kind, size, at = received[0] & 0x0F, received[1] & 0x7F, 2
        if size == 126:
            size, at = struct.unpack(">H", received[2:4])[0], 4
        elif size == 127:
            size, at = struct.unpack(">Q", received[2:10])[0], 10
        if kind == CLOSE:
            return int.from_bytes(received[at : at + 2], "big") if size >= 2 else 1005
        received = received[at + size :]
    return None
