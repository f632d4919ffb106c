"""Hot calls that come with a token, straight from ASGI: Django's request, middleware and urls cost more than the work.

Requests without an ``Authorization`` header (browsers with a session) take the way through Django to the same handlers.
"""

from __future__ import annotations

import asyncio

from brokerweb import conf
from brokerweb.core.errors import TooLarge, Unauthenticated
from brokerweb.faces import calls
from brokerweb.faces.codec import problems
from brokerweb.faces.http import hosts
from brokerweb.faces.http.body import COMMON, Gone, Message, Receive, Scope, Send
from brokerweb.identity.http import aprincipal_from_headers
from brokerweb.identity.principal import Principal

_JSON = [(b"content-type", b"application/json"), *COMMON]
_PROBLEM = [(b"content-type", problems.MEDIA_TYPE.encode()), *COMMON]


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return calls.find(scope["method"], scope["path"]) is not None and b"authorization" in dict(scope["headers"])


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    try:
        status, body = await _answer(scope, receive)
        headers = _JSON
    except Gone:
        return
    except Exception as failure:  # an ASGI application answers for whatever went wrong
        error = problems.of_exception(failure)
        status, body = error.http_status, problems.body(error)
        headers = _PROBLEM + [(name.lower().encode(), value.encode()) for name, value in problems.headers(error).items()]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})


async def _answer(scope: Scope, receive: Receive) -> tuple[int, bytes]:
    """Permission before the body is read, so that nobody's body costs more than its bytes."""
    found = calls.find(scope["method"], scope["path"])
    assert found is not None  # noqa: S101 (it matched)
    action, names = found
    headers = dict(scope["headers"])
    hosts.check(scope, headers)
    declared = headers.get(b"content-length", b"")
    length = int(declared) if declared.isdigit() else 0
    principal = await authenticate(headers[b"authorization"], length)
    action.permit(principal, names)
    content = await _read(receive, length)
    call = calls.Call(principal, names, content, scope["query_string"].decode("latin-1"), watch=lambda: Watch(receive))
    if action.by_headers:
        call.headers = _named(scope)
    return action.status, await calls.answer(action, call)


def _named(scope: Scope) -> dict[str, str]:
    """A header that comes more than once is one list, as Django has it (RFC 9110, 5.2)."""
    named: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        named.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return {name: ",".join(values) for name, values in named.items()}


async def authenticate(authorization: bytes, length: int) -> Principal:
    """Whose token the header carries. Raises Unauthenticated; TooLarge where more than 64 KiB were to follow."""
    try:
        principal = await aprincipal_from_headers(authorization)
        if principal is None:
            raise Unauthenticated()
    except Unauthenticated:
        if length > conf.MAX_UNAUTHENTICATED_BYTES:
            raise TooLarge() from None
        raise
    return principal


async def _read(receive: Receive, length: int) -> bytes:
    """The body of a caller who is known. Raises TooLarge, Gone."""
    limit = conf.get().max_request_bytes
    if length > limit:
        raise TooLarge(f"a request has at most {limit} bytes")
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):  # most bodies come in one piece
        body: bytes = message.get("body", b"")
        if len(body) <= limit:
            return body
    return await _read_on(message, receive, limit)


async def _read_on(message: Message, receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if message["type"] == "http.disconnect":
            raise Gone()
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > limit:
            raise TooLarge(f"a request has at most {limit} bytes")
        if not message.get("more_body", False):
            return b"".join(parts)
        message = await receive()


class Watch:
    """Sets its event when the client disconnects, as long as it is entered."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._gone = receive, asyncio.Event()

    async def __aenter__(self) -> asyncio.Event:
        self._task = asyncio.ensure_future(self._watch())
        return self._gone

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._gone.set()
