"""The live end of a stream as server-sent events, straight from ASGI: answers that do not end are not Django's.

An event's ``id`` is the reader's whole position behind it, so that whoever comes back with it misses nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple, Protocol

import msgspec

from brokerweb.core import closing
from brokerweb.core.alarms import Alarm
from brokerweb.core.errors import BrokerError, NotFound, Unauthenticated, Unavailable
from brokerweb.core.names import check_name
from brokerweb.delivery import connections, hub, open_sockets
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.faces.codec import positions, problems, reached, records
from brokerweb.faces.codec.query import Query
from brokerweb.faces.codec.reached import Reached
from brokerweb.faces.http import caller, hosts
from brokerweb.faces.http.body import Receive, Scope, Send, send_problem
from brokerweb.faces.http.proxies import address
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, aread
from brokerweb.streams.definitions import Definition, load
from brokerweb.streams.reading import check_range

WINDOW = 500  # records that may wait to be written
CROWDED_BYTES = 1024 * 1024  # with more of them waiting, nothing is read until less than half of that is left
HEARTBEAT = 15.0  # seconds of silence after which a comment is sent
STUCK = 30.0  # seconds one write may take before the client counts as too slow
LINGER = 1.0  # seconds until a connection that was cut says so
COMMENT = b":\n"  # without an empty line behind it, which some clients would take for an event

_PATH = re.compile(r"/api/v1/streams/([^/]+)/live")
_HEADERS = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-accel-buffering", b"no"),
]


class Link(Protocol):
    """What this project's servers add to ``scope["extensions"]`` as ``brokerweb.link``."""

    def abort(self) -> None:
        """Cut the connection; nothing that waits is written."""

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return scope["method"] in ("GET", "HEAD") and _PATH.fullmatch(scope["path"]) is not None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    try:
        live = await _begin(scope, send)
    except Exception as failure:  # an ASGI application answers for whatever went wrong
        await send_problem(send, problems.of_exception(failure))
        return
    if scope["method"] == "HEAD":
        live.end()
    await live.run(receive)


# Who, what, from where


async def _begin(scope: Scope, send: Send) -> Live:
    name = scope["path"].split("/")[4]
    headers = dict(scope["headers"])
    hosts.check(scope, headers)
    client = caller.client_name(headers.get(b"client-name"))
    principal = await caller.of_reader(headers)
    principal.require("browse", "stream", name)
    check_name(name, "/stream")
    begin = _start(headers, Query(scope["query_string"].decode("latin-1"), ("from",)))
    found, places = await aread(_find, name, *begin)
    if hub.current is None or hub.current.stopping:
        raise Unavailable("The broker is stopping.")
    live = Live(scope, send, principal, hub.current, client)
    live.follow(found, places, tell=begin.where == "latest")
    return live


class _Begin(NamedTuple):
    """Where to begin, and what of the request says so."""

    where: str | Mapping[int, int]
    pointer: str


def _start(headers: Mapping[bytes, bytes], query: Query) -> _Begin:
    """Where the client was, else where it asks to begin, else the end. Raises Invalid."""
    last = headers.get(b"last-event-id", b"").decode("latin-1")
    if last:
        return _Begin(reached.parse(last, "/Last-Event-ID"), "/Last-Event-ID")
    begin = query.text("from")
    if begin is None:
        return _Begin("latest", "/from")
    return _Begin(reached.parse(begin, "/from") if reached.is_position(begin) else begin, "/from")


def _find(reads: Reads, stream: str, begin: str | Mapping[int, int], pointer: str) -> tuple[Definition, dict[int, int]]:
    """The stream, and where to begin in each partition; one that a position does not name yet is read from its start."""
    if isinstance(begin, str):
        return positions.start(reads, stream, begin, pointer)
    found = load(reads, stream)
    places = {partition.number: partition.low for partition in found.partitions}
    for number, offset in begin.items():
        check_range(found.partition(number, pointer), offset)
        places[number] = offset
    return found, places


# The answer


class Live:
    """One answer: what waits to be written, and the one writer that writes it."""

    def __init__(self, scope: Scope, send: Send, principal: Principal, current: hub.Hub, client: str | None = None) -> None:
        self._link: Link | None = scope.get("extensions", {}).get("brokerweb.link")
        self._send, self._tails = send, current.tails
        self._loop = asyncio.get_running_loop()
        self._connection = connections.Connection(current.queues, current.verbs, principal, address(scope), "sse", named=client)
        self._connection.close = self._close_from_anywhere
        self._leave = open_sockets.enter(self._close)
        self._waiting: deque[tuple[int, Run]] = deque()
        self._filled = asyncio.Event()
        self._bytes = 0
        self._ending = False
        self._first = self._last = b""
        self._reached = Reached({})  # behind what was written
        self._subscription: WholeStream

    def follow(self, found: Definition, places: Mapping[int, int], *, tell: bool) -> None:
        """Begin there. ``tell``: the client is to know where that is before a record comes: it cannot find it out again."""
        self._reached = Reached(places)
        self._first = b"id: %b\n\n" % self._reached.text() if tell else COMMENT
        self._subscription = WholeStream(self._tails, "live", found.name, WINDOW)
        self._subscription.deliver, self._subscription.ended = self._deliver, self._ended
        self._connection.streams["live"] = self._subscription
        connections.register(self._connection)
        self._subscription.begin(found, places)

    async def run(self, receive: Receive) -> None:
        """Write until one side ends it."""
        expiry = self._expiry()
        writer, reader = asyncio.ensure_future(self._write()), asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({writer, reader}, return_when=asyncio.FIRST_COMPLETED)
            if writer.done() and isinstance(writer.exception(), TimeoutError) and self._link is not None:
                self._link.abort()
                await asyncio.wait({reader}, timeout=LINGER)
        finally:
            for task in (writer, reader):
                task.cancel()
            if expiry is not None:
                expiry.cancel()
            self._connection.end(clean=True)
            self._leave()
            await asyncio.gather(writer, reader, return_exceptions=True)

    def end(self, last: bytes = b"") -> None:
        """Write what waits, then ``last``, and no more. The first word counts."""
        if not self._ending:
            self._ending, self._last = True, last
            self._filled.set()

    # What comes

    def _deliver(self, subscription: StreamSubscription, number: int, run: Run) -> None:
        self._waiting.append((number, run))
        self._bytes += run.size
        self._filled.set()
        if self._bytes > CROWDED_BYTES:
            subscription.congested = True

    def _ended(self, subscription: StreamSubscription, error: BrokerError) -> None:
        subscription.stop()
        code = "deleted" if isinstance(error, NotFound) else error.code  # as over WebSocket
        self.end(_closed({"code": code, "message": error.detail} | error.extra))

    def _expiry(self) -> Alarm | None:
        expires_at = self._connection.principal.expires_at
        return None if expires_at is None else Alarm(expires_at, self._close, closing.UNAUTHENTICATED, "the token has expired")

    def _close_from_anywhere(self, code: int, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._close, code, reason)

    def _close(self, code: int, reason: str) -> None:
        """The end of the caller's rights is said; any other is an answer that ends, after which clients come back."""
        self._waiting.clear()
        self.end(_closed({"code": Unauthenticated.code, "message": reason}) if code == closing.UNAUTHENTICATED else b"")

    # What goes

    async def _write(self) -> None:
        """Raises TimeoutError when the client does not take what is sent."""
        await self._put({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._chunk(self._first)
        while not (self._ending and not self._waiting):
            if not await self._something():
                await self._chunk(COMMENT)
            while self._waiting:
                number, run = self._waiting.popleft()
                await self._chunk(self._events(number, run))
                self._written(run)
                await asyncio.sleep(0)  # others' turn: a server that takes everything at once never suspends this
        await self._put({"type": "http.response.body", "body": self._last})

    async def _something(self) -> bool:
        """Whether there is something to do before the silence is too long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARTBEAT):
                await self._filled.wait()
        found = self._filled.is_set()
        self._filled.clear()
        return found

    def _written(self, run: Run) -> None:
        self._bytes -= run.size
        if self._bytes < CROWDED_BYTES // 2:
            self._subscription.congested = False
        if self._subscription.open:
            self._subscription.grant(len(run), WINDOW)

    async def _chunk(self, content: bytes) -> None:
        await self._put({"type": "http.response.body", "body": content, "more_body": True})

    async def _put(self, message: dict[str, Any]) -> None:
        async with asyncio.timeout(STUCK):
            await self._send(message)
            if self._link is not None:
                await self._link.drained()

    def _events(self, number: int, run: Run) -> bytes:
        """A run as events, each with the position behind it."""
        bodies: list[bytes] | None = run.encoded.get("sse")
        if bodies is None:
            bodies = run.encoded["sse"] = [_event(records.encode_one(record)) for record in run.records]
        before, after = self._reached.around(number)
        self._reached.reach(number, run.next)
        parts = [
            b"id: %b%d-%d%b\n%b" % (before, number, record.offset + 1, after, event)
            for record, event in zip(run.records, bodies, strict=True)
        ]
        return b"".join(parts)


def _event(record: bytes) -> bytes:
    """What follows the id of a record's event; JSON may have line ends of any kind, and each begins a line anew."""
    return b"event: record\n%b\n" % b"".join(b"data: %b\n" % line for line in record.splitlines())


def _closed(why: Mapping[str, Any]) -> bytes:
    return b"event: closed\ndata: %b\n\n" % msgspec.json.encode(why)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
