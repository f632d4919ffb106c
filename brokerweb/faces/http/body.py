"""Reading a request's body: within the limits, and no further than the caller's standing allows."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, MutableMapping
from typing import Any

from brokerweb import conf
from brokerweb.core.errors import BrokerError, TooLarge
from brokerweb.faces.codec import problems
from brokerweb.faces.http import caller

Scope = MutableMapping[str, Any]
Message = Mapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
COMMON = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]  # of every answer that is not Django's


class Gone(Exception):
    """The client went away before its request was whole."""


async def read(scope: Scope, receive: Receive) -> bytes:
    """The request's body. Raises TooLarge, Gone.

    The first 64 KiB are anyone's; more is read only for a caller who is known by then.
    """
    declared = content_length(scope["headers"])
    limit = await _limit(scope) if declared > conf.MAX_UNAUTHENTICATED_BYTES else conf.MAX_UNAUTHENTICATED_BYTES
    return await gather(receive, declared, limit, lambda: _limit(scope))


async def gather(receive: Receive, declared: int, limit: int, further: Callable[[], Awaitable[int]] | None = None) -> bytes:
    """The body, of ``limit`` bytes at most, or of as many as ``further`` says once it has more. Raises TooLarge, Gone."""
    if declared > limit:
        raise TooLarge(f"a request has at most {limit} bytes")
    parts: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        more = message.get("more_body", False)
        if size > limit and (further is None or size > (limit := await further())):
            raise TooLarge(f"a request has at most {limit} bytes")
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def _limit(scope: Scope) -> int:
    return conf.get().max_request_bytes if await caller.is_known(scope["headers"]) else conf.MAX_UNAUTHENTICATED_BYTES


def content_length(headers: Headers) -> int:
    """The length a request declares; 0 for none. The servers have refused what is no number."""
    return next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)


def named(headers: Headers) -> dict[str, str]:
    """Headers by name; one that comes more than once is one list, as Django has it (RFC 9110, 5.2)."""
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ",".join(values) for name, values in found.items()}


async def send_json(send: Send, status: int, content: Mapping[str, Any]) -> None:
    """Answer with one JSON document."""
    await _send(send, status, json.dumps(content, separators=(",", ":")).encode(), [(b"content-type", b"application/json")])


async def send_problem(send: Send, error: BrokerError) -> None:
    """Answer with an error, as RFC 9457 problem details."""
    headers = [(name.lower().encode(), value.encode()) for name, value in problems.headers(error).items()]
    await _send(send, error.http_status, problems.body(error), [(b"content-type", problems.MEDIA_TYPE.encode()), *headers])


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers += [(b"content-length", b"%d" % len(body)), *COMMON]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
