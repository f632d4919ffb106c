"""A queue or stream as it moves, for the console's pages, as server-sent events.

``event: seen`` has what is new since the one before: at most so many rows, so often, and how many more there were. It ends
with the rights of the session it was opened by, with what it watches, and when the node goes.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from functools import partial

import msgspec

from brokerweb.answers import tailing
from brokerweb.answers.tailing import Seen, Tail
from brokerweb.core import events
from brokerweb.core.errors import BrokerError, Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.delivery.polls import waits
from brokerweb.faces import sse
from brokerweb.faces.codec.query import Query
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.faces.http.ownership import is_own
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import aread

PATH = "/tail"
OF_A_SESSION = 3
EVERY = 0.5  # seconds between two looks, at least
AT_LEAST = 2.0  # and at most: other processes commit without a word
_encode = msgspec.json.Encoder().encode
_places = sse.Places(100, 6, OF_A_SESSION, full="So many tails run already: close another first.")


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return scope["path"] == PATH and scope["method"] in ("GET", "HEAD") and is_own(PATH)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    await sse.answer(_begin, scope, receive, send)


async def _begin(scope: Scope, send: Send, held: ExitStack) -> Watching:
    principal = await sse.reader(scope)
    query = Query(scope["query_string"].decode("latin-1"), ("queue", "stream", "q"))
    named = [(kind, name) for kind in ("queue", "stream") if (name := query.text(kind)) is not None]
    if len(named) != 1:
        raise Invalid("one of queue and stream is needed")
    [(kind, name)] = named
    tail = tailing.made(principal, kind, name, query.text("q") or "")
    check_name(name, f"/{kind}")
    held.callback(_places.take(principal))  # before anything is waited for: else any number could begin at once
    sse.serving()
    held.callback(tail.end)
    await aread(tail.begin)
    return Watching(scope, send, principal, tail, held)


class Watching(sse.Events):
    """One answer: what was heard and not looked at yet."""

    def __init__(self, scope: Scope, send: Send, principal: Principal, tail: Tail, held: ExitStack) -> None:
        super().__init__(scope, send, held)
        self._tail = tail
        self._loop = asyncio.get_running_loop()
        held.callback(events.listen(self._committed))
        held.enter_context(waits.entered(principal, partial(self.end, _closed("unauthenticated", "The session has ended."))))

    def _committed(self, outcome: events.Outcome) -> None:
        if self._tail.heard(outcome) and not self._woken.is_set() and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._woken.set)

    async def _tell(self) -> None:
        await self._chunk(sse.AGAIN + b"event: begun\ndata:\n\n")
        silent = 0.0
        while not self._ending:
            await self._something(AT_LEAST)
            if self._ending:
                break
            seen = await self._look()
            if seen:
                await self._chunk(b"event: seen\ndata: %b\n\n" % _encode(seen))
                silent = 0.0
            elif (silent := silent + AT_LEAST) >= sse.HEARTBEAT:
                await self._chunk(sse.COMMENT)
                silent = 0.0
            await asyncio.sleep(EVERY)

    async def _look(self) -> Seen | None:
        try:
            return await aread(self._tail.look)
        except NotFound as gone:
            self.end(_closed("deleted", gone.detail))
        except BrokerError:  # the next look comes by itself
            pass
        return None


def _closed(code: str, message: str) -> bytes:
    return b"event: closed\ndata: %b\n\n" % _encode({"code": code, "message": message})
