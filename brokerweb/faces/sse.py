"""Server-sent events straight from ASGI: an answer that does not end is not Django's, since it would hold a thread.

An answer ends with its caller's rights, with what it tells of, when the node goes, and when its client does, or takes nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Protocol

from brokerweb.core.errors import RateLimited, Unauthenticated, Unavailable
from brokerweb.delivery import hub, open_sockets
from brokerweb.faces.codec import problems
from brokerweb.faces.http import caller, hosts
from brokerweb.faces.http.body import COMMON, Receive, Scope, Send, send_problem
from brokerweb.identity.principal import Principal

HEARTBEAT = 15.0  # seconds of silence after which a comment is sent
STUCK = 30.0  # seconds one write may take before the client counts as too slow
LINGER = 1.0  # seconds until a connection that was cut says so
COMMENT = b":\n"  # without an empty line behind it, which some clients would take for an event
AGAIN = b"retry: 2000\n\n"  # milliseconds until a browser whose connection was lost comes back
HEADERS = [(b"content-type", b"text/event-stream"), *COMMON, (b"x-accel-buffering", b"no")]


class Begin(Protocol):
    """What makes the events of a request; what is to end with them goes to ``held``, which they have."""

    def __call__(self, scope: Scope, send: Send, held: ExitStack, /) -> Awaitable[Events]: ...


class Link(Protocol):
    """What this project's servers add to ``scope["extensions"]`` as ``brokerweb.link``."""

    def abort(self) -> None:
        """Cut the connection; nothing that waits is written."""

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""


async def answer(begin: Begin, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer a request with the events that ``begin`` makes, or with what it raises; what it holds by then is given up."""
    with ExitStack() as held:
        try:
            events = await begin(scope, send, held)
        except Exception as failure:  # an ASGI application answers for whatever went wrong
            with suppress(Unauthenticated):
                held.close()
            await send_problem(send, problems.of_exception(failure))
            return
        if scope["method"] == "HEAD":
            events.end()
        await events.run(receive)


async def reader(scope: Scope) -> Principal:
    """Who asks. Raises Invalid for another host, Unauthenticated."""
    headers = dict(scope["headers"])
    hosts.check(scope, headers)
    return await caller.of_reader(headers)


def serving() -> hub.Hub:
    """The hub of a broker that goes on. Raises Unavailable."""
    if hub.current is None or hub.current.stopping:
        raise Unavailable("The broker is stopping.")
    return hub.current


class Places:
    """How many answers of a kind may be under way: in all, of a person, and of a session."""

    def __init__(self, most: int, of_a_person: int, of_a_session: int, *, full: str) -> None:
        self._most, self._of_a_person, self._of_a_session, self._full = most, of_a_person, of_a_session, full
        self._all = 0
        self._taken: Counter[str] = Counter()  # by session and person

    def take(self, principal: Principal) -> Callable[[], None]:
        """Count one more, until what is returned is called. Raises RateLimited."""
        person, session = principal.owner, principal.session_key or principal.owner
        taken = self._taken
        if taken[session] >= self._of_a_session or taken[person] >= self._of_a_person or self._all >= self._most:
            raise RateLimited(self._full)
        self._count({person, session}, 1)
        return partial(self._count, {person, session}, -1)

    def _count(self, names: set[str], n: int) -> None:
        self._all += n
        for name in names:
            self._taken[name] += n
        self._taken = +self._taken


class Events:
    """One answer, and the one writer that writes it. ``held`` is what ends with it."""

    def __init__(self, scope: Scope, send: Send, held: ExitStack | None = None) -> None:
        self._link: Link | None = scope.get("extensions", {}).get("brokerweb.link")
        self._send = send
        self._held = held or ExitStack()
        self._woken = asyncio.Event()
        self._ending = False
        self._last = b""

    def end(self, last: bytes = b"") -> None:
        """Write ``last``, and no more. The first word counts."""
        if not self._ending:
            self._ending, self._last = True, last
            self._woken.set()

    async def run(self, receive: Receive) -> None:
        """Write until one side ends it."""
        writer, gone = asyncio.ensure_future(self._write()), asyncio.ensure_future(until_gone(receive))
        try:
            with suppress(Unauthenticated), self._held:  # whose rights have ended was told so
                self._held.callback(open_sockets.enter(self._close))
                await asyncio.wait({writer, gone}, return_when=asyncio.FIRST_COMPLETED)
                if writer.done() and isinstance(writer.exception(), TimeoutError) and self._link is not None:
                    self._link.abort()
                    await asyncio.wait({gone}, timeout=LINGER)
        finally:
            writer.cancel()
            gone.cancel()
            await asyncio.gather(writer, gone, return_exceptions=True)

    def _close(self, code: int, reason: str) -> None:
        """Somebody closes it: an answer that ends, after which clients come back."""
        self.end()

    async def _write(self) -> None:
        """Raises TimeoutError when the client does not take what is sent."""
        await self._put({"type": "http.response.start", "status": 200, "headers": HEADERS})
        await self._tell()
        await self._put({"type": "http.response.body", "body": self._last})

    async def _tell(self) -> None:
        """Write what is to be told until it ends."""
        raise NotImplementedError

    async def _something(self, seconds: float) -> bool:
        """Whether there is something to do before it has been that long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        found = self._woken.is_set()
        self._woken.clear()
        return found

    async def _chunk(self, content: bytes) -> None:
        await self._put({"type": "http.response.body", "body": content, "more_body": True})

    async def _put(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(STUCK):
            await self._send(message)
            if self._link is not None:
                await self._link.drained()


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
