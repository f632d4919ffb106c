"""WebSockets as strangers open them: with any headers, with none, and without waiting for a word."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

from tests.clients import Refused, Socket
from tests.server import Server

PROTOCOL = "brokerweb.v1"


def stranger(
    server: Server,
    *,
    token: str | None = None,
    origin: str | None = None,
    headers: dict[str, str] | None = None,
    protocols: tuple[str, ...] = (PROTOCOL,),
    path: str = "/ws",
) -> Socket:
    """A socket of which nothing has been read."""
    sent = dict(headers or {})
    if token is not None:
        sent["Authorization"] = f"Bearer {token}"
    ends = ExitStack()
    connection = ends.enter_context(
        connect(
            server.url.replace("http", "ws", 1) + path,
            additional_headers=sent,
            origin=None if origin is None else Origin(origin),
            subprotocols=[Subprotocol(name) for name in protocols] or None,
            compression=None,
            max_size=None,
            proxy=None,
            close_timeout=2,
        )
    )
    return Socket(connection, ends)


def made_token(server: Server, *grants: tuple[str, list[str]], **fields: Any) -> dict[str, Any]:
    """A new token with these grants, as REST answers it."""
    with server.rest() as rest:
        asked = {"name": "socket", "grants": [{"pattern": pattern, "verbs": verbs} for pattern, verbs in grants], **fields}
        return dict(rest.call("POST", "/tokens", asked))


def error(socket: Socket, op: str, **fields: Any) -> dict[str, Any]:
    """The error a command is answered with."""
    try:
        answer = socket.call(op, **fields)
    except Refused as refusal:
        return dict(refusal.answer)
    raise AssertionError(f"{op} was not refused but answered {answer}")


def frames_until(socket: Socket, op: str, timeout: float = 30) -> dict[str, Any]:
    """The next frame of a kind; the ones before it are passed over."""
    while (frame := socket.next(timeout)) is not None:
        if frame["op"] == op:
            return frame
    raise AssertionError(f"no {op} within {timeout} s")


def deliveries(socket: Socket, count: int, timeout: float = 30) -> list[dict[str, Any]]:
    """The next messages, at least ``count``, however many frames they take."""
    messages: list[dict[str, Any]] = []
    while len(messages) < count:
        messages += frames_until(socket, "deliver", timeout)["messages"]
    return messages
