"""Hot calls that come with a token, straight from ASGI: Django's request, middleware and urls cost more than the work.

Requests without an ``Authorization`` header (browsers with a session) take the way through Django to the same handlers.
"""

from __future__ import annotations

import asyncio

from brokerweb import conf
from brokerweb.faces import calls
from brokerweb.faces.codec import problems
from brokerweb.faces.http import caller, hosts
from brokerweb.faces.http.body import COMMON, Gone, Receive, Scope, Send, gather, named
from brokerweb.faces.http.proxies import address

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
    row, names = found
    headers = dict(scope["headers"])
    hosts.check(scope, headers)
    declared = headers.get(b"content-length", b"")
    length = int(declared) if declared.isdigit() else 0
    principal = await caller.of_hot_call(headers[b"authorization"], length)
    row.needs.check(principal, names)
    content = await gather(receive, length, conf.get().max_request_bytes)
    query, named_so = scope["query_string"].decode("latin-1"), caller.client_name(headers.get(b"client-name"))
    call = calls.Call(
        principal, names, content, query, watch=lambda: Watch(receive), client=named_so, address=lambda: address(scope)
    )
    if row.raw:
        call.headers = named(scope["headers"])
    return row.status, await calls.answer(row, call)


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
