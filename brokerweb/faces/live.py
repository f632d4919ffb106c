"""The live end of a stream as server-sent events.

An event's ``id`` is the reader's whole position behind it, so that whoever comes back with it misses nothing.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, NamedTuple

import msgspec

from brokerweb.core import closing
from brokerweb.core.alarms import Alarm
from brokerweb.core.errors import BrokerError, NotFound, Unauthenticated
from brokerweb.core.names import check_name
from brokerweb.delivery import connections, hub
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.faces import sse
from brokerweb.faces.codec import positions, reached, records
from brokerweb.faces.codec.query import Query
from brokerweb.faces.codec.reached import Reached
from brokerweb.faces.http import caller
from brokerweb.faces.http.body import Receive, Scope, Send
from brokerweb.faces.http.proxies import address
from brokerweb.identity import masks
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, aread
from brokerweb.streams.definitions import Definition, load
from brokerweb.streams.reading import check_range

WINDOW = 500  # records that may wait to be written
CROWDED_BYTES = 1024 * 1024  # with more of them waiting, nothing is read until less than half of that is left

_PATH = re.compile(r"/api/v1/streams/([^/]+)/live")


def matches(scope: Scope) -> bool:
    """Whether ``app`` answers this request."""
    return scope["method"] in ("GET", "HEAD") and _PATH.fullmatch(scope["path"]) is not None


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """An ASGI application for the requests that ``matches``."""
    await sse.answer(_begin, scope, receive, send)


# Who, what, from where


async def _begin(scope: Scope, send: Send, held: ExitStack) -> Live:
    name = scope["path"].split("/")[4]
    headers = dict(scope["headers"])
    client = caller.client_name(headers.get(b"client-name"))
    principal = await sse.reader(scope)
    principal.require("browse", "stream", name)
    check_name(name, "/stream")
    begin = _start(headers, Query(scope["query_string"].decode("latin-1"), ("from",)))
    found, places = await aread(_find, name, *begin)
    live = Live(scope, send, principal, sse.serving(), client, held=held)
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


class Live(sse.Events):
    """One answer, with what waits to be written."""

    def __init__(
        self,
        scope: Scope,
        send: Send,
        principal: Principal,
        current: hub.Hub,
        client: str | None = None,
        *,
        held: ExitStack | None = None,
    ) -> None:
        super().__init__(scope, send, held)
        self._tails = current.tails
        self._loop = asyncio.get_running_loop()
        self._connection = connections.Connection(current.queues, current.verbs, principal, address(scope), "sse", named=client)
        self._connection.close = self._close_from_anywhere
        self._held.callback(self._connection.end, clean=True)
        if principal.expires_at is not None:
            expiry = Alarm(principal.expires_at, self._close, closing.UNAUTHENTICATED, "the token has expired")
            self._held.callback(expiry.cancel)
        self._waiting: deque[tuple[int, Run]] = deque()
        self._bytes = 0
        self._first = b""
        self._reached = Reached({})  # behind what was written
        self._subscription: WholeStream

    def follow(self, found: Definition, places: Mapping[int, int], *, tell: bool) -> None:
        """Begin there. ``tell``: the client is to know where that is before a record comes: it cannot find it out again."""
        self._reached = Reached(places)
        self._first = b"id: %b\n\n" % self._reached.text() if tell else sse.COMMENT
        self._subscription = WholeStream(self._tails, "live", found.name, WINDOW)
        self._subscription.deliver, self._subscription.ended = self._deliver, self._ended
        self._connection.streams["live"] = self._subscription
        connections.register(self._connection)
        self._subscription.begin(found, places)

    # What comes

    def _deliver(self, subscription: StreamSubscription, number: int, run: Run) -> None:
        self._waiting.append((number, run))
        self._bytes += run.size
        self._woken.set()
        if self._bytes > CROWDED_BYTES:
            subscription.congested = True

    def _ended(self, subscription: StreamSubscription, error: BrokerError) -> None:
        subscription.stop()
        code = "deleted" if isinstance(error, NotFound) else error.code  # as over WebSocket
        self.end(_closed({"code": code, "message": error.detail} | error.extra))

    def _close_from_anywhere(self, code: int, reason: str) -> None:
        self._loop.call_soon_threadsafe(self._close, code, reason)

    def _close(self, code: int, reason: str) -> None:
        """The end of the caller's rights is said; any other is an answer that ends, after which clients come back."""
        self._waiting.clear()
        self.end(_closed({"code": Unauthenticated.code, "message": reason}) if code == closing.UNAUTHENTICATED else b"")

    # What goes

    async def _tell(self) -> None:
        await self._chunk(self._first)
        while not (self._ending and not self._waiting):
            if not await self._something(sse.HEARTBEAT):
                await self._chunk(sse.COMMENT)
            while self._waiting:
                number, run = self._waiting.popleft()
                await self._chunk(await self._events(number, run))
                self._written(run)
                await asyncio.sleep(0)  # others' turn: a server that takes everything at once never suspends this

    def _written(self, run: Run) -> None:
        self._bytes -= run.size
        if self._bytes < CROWDED_BYTES // 2:
            self._subscription.congested = False
        if self._subscription.open:
            self._subscription.grant(len(run), WINDOW)

    async def _events(self, number: int, run: Run) -> bytes:
        """A run as events, each with the position behind it."""
        veil = await masks.areader_veil(self._connection.principal, self._subscription.stream)
        seen_as = ("sse", *veil.fields)
        bodies: list[bytes] | None = run.encoded.get(seen_as)
        if bodies is None and veil:
            bodies = await aread(lambda _: [_event(records.encode_one(veil.over_record(record))) for record in run.records])
        elif bodies is None:
            bodies = [_event(records.encode_one(record)) for record in run.records]
        run.encoded[seen_as] = bodies
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
