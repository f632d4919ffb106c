"""What an authenticated client's frames mean: each is parsed, permitted, handed to one verb, and answered when that is stored.

Nothing here waits for a verb, except to begin a subscription: frames are read on while earlier ones are being stored, within
``IN_FLIGHT`` commands and bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from brokerweb.cluster.nodes import EMBEDDED
from brokerweb.core import clock, closing
from brokerweb.core.errors import BrokerError, Conflict, Forbidden, Invalid, LeaseLost, NotFound, Unavailable, shorten
from brokerweb.core.names import check_name, parse_destination
from brokerweb.delivery import connections, hub
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.faces.brokerweb_v1 import frames
from brokerweb.faces.brokerweb_v1.stream_commands import StreamCommands
from brokerweb.faces.calls.merging import Done, Merged, Merging, Part, publishing, settling
from brokerweb.faces.codec import settles, transactions
from brokerweb.faces.codec.destinations import publishing_to
from brokerweb.faces.codec.json import decode
from brokerweb.faces.websocket.outbox import Outbox
from brokerweb.identity import authentication
from brokerweb.identity.principal import Principal
from brokerweb.queues import engine
from brokerweb.queues.messages import Leased, Settle, Settled
from brokerweb.routing import pointers
from brokerweb.routing.transacting import transact
from brokerweb.storage import run
from brokerweb.storage.committer import Call

IN_FLIGHT, IN_FLIGHT_BYTES = 1000, 16 * 1024 * 1024
CROWDED_PAUSE = 0.005  # seconds between looks at a crowded committer
BAD_FRAMES = 10  # in a row
WARN_BEFORE = 60.0  # seconds before a token's end

_encode = msgspec.json.Encoder().encode


def error_frame(id: Any, error: BrokerError) -> str:
    """An error as a frame."""
    frame: dict[str, Any] = {"op": "error"}
    if id is not None:
        frame["id"] = id
    message = shorten(error.detail)
    return _encode(frame | {"code": error.code, "message": message, "retryable": error.retryable} | error.extra).decode()


class Session:
    """One authenticated socket. ``end`` must be called once, when it is over."""

    def __init__(self, principal: Principal, address: str, outbox: Outbox) -> None:
        if hub.current is None or hub.current.stopping:
            raise Unavailable("The broker is stopping.")
        self.hub, self.outbox = hub.current, outbox
        self._loop = asyncio.get_running_loop()
        self.connection = connections.Connection(self.hub, principal, address, "brokerweb.v1")
        self.connection.close = self._close_from_anywhere
        connections.register(self.connection)
        self._bad_in_a_row = 0
        self._calls = self._bytes = 0
        self._settled = asyncio.Event()
        self._merging, self._settling = Merging(), settling(may=self._may_consume)
        self._timers: list[asyncio.TimerHandle] = []
        self._handlers: dict[Any, Callable[[Any, int], Any]] = {
            frames.Publish: self._publish,
            frames.Consume: self._consume,
            frames.Ack: lambda c, n: self._settle(c, settles.settle_receipts("ack", c.receipts), n),
            frames.Release: lambda c, n: self._settle(c, settles.settle_receipts("release", c.receipts), n),
            frames.Nack: lambda c, n: self._settle(c, settles.settle_nacks(c.items), n),
            frames.Dead: lambda c, n: self._settle(c, settles.settle_deads(c.items), n),
            frames.Extend: lambda c, n: self._settle(c, settles.settle_extends(c.items), n),
            frames.Credit: self._credit,
            frames.Cancel: self._cancel,
            frames.Transact: self._transact,
            frames.Auth: self._auth,
            frames.Ping: lambda c, n: self._answer("pong", c.id),
            frames.Pong: lambda c, n: None,
        } | StreamCommands(self).handlers()
        self._watch_expiry(principal.expires_at)

    @property
    def principal(self) -> Principal:
        return self.connection.principal

    # Frames in

    async def handle(self, text: str) -> None:
        """Do what a frame says; whatever is wrong with it is answered."""
        id = None
        try:
            command: Any = decode(frames.FRAME, text)
            id = command.id
            if not isinstance(command, frames.MERGED):
                self._merging.flush()  # verbs of one connection run in the order they came
            waiting = self._handlers[type(command)](command, len(text))
            if waiting is not None:
                await waiting
            self._bad_in_a_row = 0
        except Invalid as error:
            self.bad(error, id if id is not None else id_of(text))
        except BrokerError as error:
            self._bad_in_a_row = 0
            self.outbox.frame(error_frame(id, error))

    def bad(self, error: BrokerError, id: Any = None) -> None:
        """A frame that is none. Ten in a row end the socket."""
        self.outbox.frame(error_frame(id, error))
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_FRAMES:
            self.outbox.close(closing.TOO_MANY, "too many bad frames")

    async def room(self) -> None:
        """Wait until another frame may be read: the client's commands under way and its answers are bounded, and so is the
        committer's inbox.
        """
        while self._calls >= IN_FLIGHT or self._bytes >= IN_FLIGHT_BYTES:
            self._settled.clear()
            await self._settled.wait()
        while (committer := run.running()) is not None and committer.crowded and self._calls:  # noqa: ASYNC110 (another thread's)
            await asyncio.sleep(CROWDED_PAUSE)
        await self.outbox.room()

    # Verbs

    def _publish(self, command: frames.Publish, size: int) -> None:
        kind, name = parse_destination(command.to)
        self.principal.require("publish", kind, name)
        verb, items, as_json = publishing_to(kind, command.messages)

        def done(result: Any, error: BrokerError | None) -> None:
            if error is not None:
                self.outbox.frame(error_frame(command.id, pointers.for_messages(error)))
            elif command.id is not None:
                results = as_json(result).decode()
                self.outbox.frame(f'{{"op":"ok","id":{_encode(command.id).decode()},"results":{results}}}')

        publisher = {"publisher": self.principal.name}
        if kind == "queue":
            self._merge((kind, name), publishing(name, **publisher), list(items), size, done)
        else:
            self.start(verb, (name, items), publisher, lambda call: done(call.result, call.error), size)

    def _transact(self, command: frames.Transact, size: int) -> None:
        request = transactions.to_request(command)
        transactions.require(self.principal, request)

        def done(call: Call) -> None:
            if call.error is not None:
                self.refuse(command.id, call.error)
            elif command.id is not None:
                answer = transactions.as_json(call.result).decode()
                self.outbox.frame(f'{{"op":"ok","id":{_encode(command.id).decode()},{answer}}}')

        owner, publisher = self.principal.owner, self.principal.name
        self.start(transact, (request,), {"owner": owner, "publisher": publisher}, done, size)

    def _settle(self, command: Any, settles: list[Settle], size: int) -> None:
        if not settles:
            self.ok(command.id)
            return

        def done(result: Any, error: BrokerError | None) -> None:
            if error is not None:
                self.outbox.frame(error_frame(command.id, error))
            else:
                self._settled_as(command, result)

        self._merge("settle", self._settling, settles, size, done)

    def _merge(self, key: object, together: Merged, content: list[Any], size: int, done: Done) -> None:
        """Let a command go with others of this turn of the loop."""

        def ended(result: Any, error: BrokerError | None) -> None:
            self._ended(size)
            done(result, error)

        self._calls += 1
        self._bytes += size
        self._merging.add(key, together, Part(content, size, ended))

    def _settled_as(self, command: Any, answers: list[Settled]) -> None:
        failed = next((answer for answer in answers if answer.status != "ok"), None)
        if failed is None:
            if command.id is not None:
                results = f',"results":{settles.settled(answers).decode()}' if isinstance(command, frames.Extend) else ""
                self.outbox.frame(f'{{"op":"ok","id":{_encode(command.id).decode()}{results}}}')
            return
        frame = error_frame(command.id, LeaseLost())
        self.outbox.frame(f'{frame[:-1]},"results":{settles.settled(answers).decode()}}}')

    def _may_consume(self, kind: str, name: str) -> bool:
        return self.principal.may("consume", kind, name)

    def start(self, verb: Any, args: Any, kwargs: Any, done: Callable[[Call], None], size: int) -> None:
        """Hand a verb to the committer; ``done`` is told after the commit."""

        def ended(call: Call) -> None:
            self._ended(size)
            done(call)

        self._merging.flush()
        run.start(verb, args, kwargs, done=ended, cost=size)
        self._calls += 1
        self._bytes += size

    def _ended(self, size: int) -> None:
        self._calls -= 1
        self._bytes -= size
        self._settled.set()

    # Subscriptions

    async def _consume(self, command: frames.Consume, size: int) -> None:
        check_name(command.queue, "/queue")
        self.principal.require("consume", "queue", command.queue)
        sub = str(command.id)
        self.connection.check_free(sub)
        definition = await run.aperform(engine.find, command.queue)
        terms = engine.Terms(self.holder(sub), command.lease, command.ack == "explicit")
        subscription = Subscription(self.hub, sub, definition, terms, command.prefetch)
        self.begin(command.id, subscription)

    def holder(self, sub: str) -> str:
        """Who holds what a subscription is handed, as messages name it."""
        return f"ws:{EMBEDDED}/{self.connection.id}/{sub[:200]}"

    def begin(self, id: Any, subscription: Subscription) -> None:
        """The client knows of the subscription before anything comes of it."""
        sub = subscription.sub
        subscription.deliver, subscription.ended = self._deliver, self._over
        subscription.congested = self.outbox.crowded
        subscription.review()
        self.outbox.frame(f'{{"op":"ok","id":{_encode(id).decode()},"sub":{_encode(sub).decode()}}}')
        self.connection.add(subscription)

    def _deliver(self, subscription: Subscription, messages: list[Leased]) -> None:
        self.outbox.deliver(subscription, messages)

    def _over(self, subscription: Subscription, code: str, message: str) -> None:
        if self.connection.cancel(subscription.sub, release=True) is not None:
            frame = {"op": "closed", "sub": subscription.sub, "code": code, "message": message}
            self.outbox.frame(_encode(frame).decode())

    def _credit(self, command: frames.Credit, size: int) -> None:
        stream = self.connection.streams.get(command.name)
        if stream is not None:
            stream.grant(command.n, frames.MAX_PREFETCH)
            self.ok(command.id)
            return
        subscription = self.connection.subscriptions.get(command.name)
        if subscription is None:
            raise NotFound(f"There is no subscription {command.name}.")
        if subscription.acknowledge:
            raise Conflict("Credit of this subscription comes back by settling.")
        self.hub.book.grant(subscription, command.n, frames.MAX_PREFETCH)
        self.hub.look([subscription.queue_id])
        self.ok(command.id)

    def _cancel(self, command: frames.Cancel, size: int) -> None:
        stream = self.connection.streams.pop(command.name, None)
        if stream is not None:
            self.connection.end_stream(stream, clean=True)
            self.ok(command.id)
        elif self.connection.cancel(command.name, release=command.release, done=lambda: self.ok(command.id)) is None:
            raise NotFound(f"There is no subscription {command.name}.")

    def crowded(self, crowded: bool) -> None:
        """The client reads slower than it is served: nothing more is leased for it meanwhile."""
        for stream in self.connection.streams.values():
            stream.congest(crowded)
        for subscription in self.connection.subscriptions.values():
            subscription.congested = crowded
            subscription.review()
            if not crowded:
                self.hub.look([subscription.queue_id])

    # Identity

    async def _auth(self, command: frames.Auth, size: int) -> None:
        principal = await authentication.aauthenticate(command.token)
        if principal.account != self.principal.account:
            raise Forbidden("A live socket keeps its owner.")
        self._watch_expiry(principal.expires_at)
        self.ok(command.id)
        self.connection.become(principal)

    def _watch_expiry(self, expires_at: int | None) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        if expires_at is None:
            return
        left = (expires_at - clock.now()) / clock.SECOND
        frame = _encode({"op": "expiring", "expires_at": clock.rfc3339(expires_at)}).decode()
        self._timers = [
            self._loop.call_later(max(0.0, left - WARN_BEFORE), self.outbox.frame, frame),
            self._loop.call_later(max(0.0, left), self.outbox.close, closing.UNAUTHENTICATED, "the token has expired"),
        ]

    # Answers, and the end

    def refuse(self, id: Any, error: BrokerError) -> None:
        self.outbox.frame(error_frame(id, error))

    def ok(self, id: Any) -> None:
        self._answer("ok", id)

    def _answer(self, op: str, id: Any) -> None:
        if id is not None:
            self.outbox.frame(_encode({"op": op, "id": id}).decode())
        elif op == "pong":
            self.outbox.frame('{"op":"pong"}')

    def _close_from_anywhere(self, code: int, reason: str) -> None:
        self._loop.call_soon_threadsafe(self.outbox.close, code, reason)

    def end(self, *, clean: bool) -> None:
        """The socket is over; what it held goes back behind whatever it sent before."""
        self._merging.flush()
        for timer in self._timers:
            timer.cancel()
        self.connection.end(clean=clean)


class _Named(msgspec.Struct):
    """A frame of which nothing but the id is made into objects: a bad one must not cost more than a good one."""

    id: int | str | None = None


def id_of(text: str) -> int | str | None:
    """The id of a frame that is otherwise wrong, so that its sender learns which it was."""
    try:
        id = _named.decode(text).id
    except (msgspec.DecodeError, RecursionError, UnicodeError):
        return None
    return id if len(str(id)) <= 255 else None


_named = msgspec.json.Decoder(_Named)
