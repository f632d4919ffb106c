"""One authenticated client, and what all of its commands share: each is parsed here, goes to the store in the order it came,
and is answered when that has committed.

Commands are looked up in ``handlers``. They wait for no verb, except to begin a subscription: frames are read on while earlier
ones are being stored, within ``IN_FLIGHT`` commands and bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from brokerweb.core import clock, closing
from brokerweb.core.alarms import Alarm
from brokerweb.core.errors import BrokerError, Forbidden, Invalid, Unavailable
from brokerweb.delivery import connections, hub
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.faces.brokerweb_v1 import answers, frames
from brokerweb.faces.calls.merging import Done, Merged, Merging, Part
from brokerweb.faces.codec.json import decode
from brokerweb.faces.websocket.language import Frame, Outbox
from brokerweb.identity import authentication
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits
from brokerweb.queues.messages import Leased
from brokerweb.storage import run
from brokerweb.storage.calls import Call, Place

IN_FLIGHT, IN_FLIGHT_BYTES = 1000, 16 * 1024 * 1024
CROWDED_PAUSE = 0.005  # seconds between looks at a crowded committer
BAD_FRAMES = 10  # in a row
WARN_BEFORE = 60.0  # seconds before a token's end

Handlers = dict[Any, Callable[[Any, int], Any]]  # kind of frame -> what does it: with the frame and its size; may be awaited


class Session:
    """One authenticated socket. ``end`` must be called once, when it is over."""

    def __init__(self, principal: Principal, address: str, outbox: Outbox, client: str | None = None) -> None:
        if hub.current is None or hub.current.stopping:
            raise Unavailable("The broker is stopping.")
        self.hub, self.outbox = hub.current, outbox
        self._loop = asyncio.get_running_loop()
        named = client or None
        self.connection = connections.Connection(
            self.hub.queues, self.hub.verbs, principal, address, frames.SUBPROTOCOL, named=named
        )
        self.connection.close = self._close_from_anywhere
        connections.register(self.connection)
        self._bad_in_a_row = 0
        self._calls = self._bytes = 0
        self._settled = asyncio.Event()
        self._merging = Merging(self.connection)
        self._alarms: list[Alarm] = []
        self.handlers: Handlers = {
            frames.Auth: self._auth,
            frames.Ping: lambda c, n: self.outbox.frame(answers.pong(c.id)),
            frames.Pong: lambda c, n: None,
        }
        self._watch_expiry(principal.expires_at)

    @property
    def principal(self) -> Principal:
        return self.connection.principal

    # Frames in

    def handle(self, frame: Frame) -> Coroutine[Any, Any, None] | None:
        """Do what a frame says; whatever is wrong with it is answered. What waits for the store is returned, to be awaited."""
        if isinstance(frame, bytes):
            self._bad(Invalid("frames are JSON text"))
            return None
        id = None
        try:
            command: Any = decode(frames.FRAME, frame)
            id = command.id
            if not isinstance(command, frames.MERGED):
                self._merging.flush()  # verbs of one connection run in the order they came
            waiting = self.handlers[type(command)](command, len(frame))
        except BrokerError as error:
            self._wrong(error, id, frame)
            return None
        if waiting is not None:
            return self._await(waiting, id, frame)
        self._bad_in_a_row = 0
        return None

    async def _await(self, waiting: Awaitable[None], id: Any, frame: str) -> None:
        try:
            await waiting
            self._bad_in_a_row = 0
        except BrokerError as error:
            self._wrong(error, id, frame)

    def _wrong(self, error: BrokerError, id: Any, frame: str) -> None:
        if isinstance(error, Invalid):
            self._bad(error, id if id is not None else frames.id_of(frame))
        else:
            self._bad_in_a_row = 0
            self.refuse(id, error)

    def _bad(self, error: BrokerError, id: Any = None) -> None:
        """A frame that is none. Ten in a row end the socket."""
        self.refuse(id, error)
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_FRAMES:
            self.outbox.close(closing.TOO_MANY, "too many bad frames")

    @property
    def full(self) -> bool:
        """The client's commands under way are bounded, and so is the committer's inbox."""
        return self._calls >= IN_FLIGHT or self._bytes >= IN_FLIGHT_BYTES or self._crowding

    @property
    def _crowding(self) -> bool:
        committer = run.running()
        return committer is not None and committer.crowded and self._calls > 0

    async def room(self) -> None:
        """Wait until another frame may be handled."""
        while self._calls >= IN_FLIGHT or self._bytes >= IN_FLIGHT_BYTES:
            self._settled.clear()
            await self._settled.wait()
        while self._crowding:  # noqa: ASYNC110 (another thread's)
            await asyncio.sleep(CROWDED_PAUSE)

    # Verbs

    def merge(self, together: Merged, content: list[Any], size: int, done: Done) -> None:
        """Let a command go with others of this turn of the loop."""

        def ended(result: Any, error: BrokerError | None) -> None:
            self._ended(size)
            done(result, error)

        self._calls += 1
        self._bytes += size
        self._merging.add(together, Part(content, size, ended))

    def start(self, verb: Any, args: Any, kwargs: Any, done: Callable[[Call], None], size: int) -> None:
        """Hand a verb to the committer; ``done`` is told after the commit."""

        def ended(call: Call) -> None:
            self._ended(size)
            done(call)

        self._merging.flush()
        run.start(verb, args, kwargs, done=ended, cost=size, place=Place(self.connection))
        self._calls += 1
        self._bytes += size

    def _ended(self, size: int) -> None:
        self._calls -= 1
        self._bytes -= size
        self._settled.set()

    # Subscriptions

    def begin(self, id: Any, subscription: Subscription) -> None:
        """The client knows of the subscription before anything comes of it."""
        subscription.deliver, subscription.ended = self._deliver, self._over
        subscription.congested = self.outbox.crowded
        subscription.review()
        self.outbox.frame(answers.subscribed(id, subscription.sub))
        self.connection.add(subscription)

    def _deliver(self, subscription: Subscription, messages: list[Leased]) -> None:
        self.outbox.deliver(subscription, messages, sum(len(message.body) for message in messages))

    def _over(self, subscription: Subscription, code: str, message: str) -> None:
        if self.connection.cancel(subscription.sub, release=True) is not None:
            self.outbox.frame(answers.closed(subscription.sub, code, message))

    def crowded(self, crowded: bool) -> None:
        """The client reads slower than it is served: nothing more is leased for it meanwhile."""
        for stream in self.connection.streams.values():
            stream.congest(crowded)
        for subscription in self.connection.subscriptions.values():
            subscription.congested = crowded
            subscription.review()
            if not crowded:
                self.hub.queues.look([subscription.queue_id])

    # Identity

    async def _auth(self, command: frames.Auth, size: int) -> None:
        client = limits.check_text(command.client, "/client")
        principal = await authentication.aauthenticate(command.token)
        if principal.account != self.principal.account:
            raise Forbidden("A live socket keeps its owner.")
        self._watch_expiry(principal.expires_at)
        self.ok(command.id)
        self.connection.become(principal, client)

    def _watch_expiry(self, expires_at: int | None) -> None:
        for alarm in self._alarms:
            alarm.cancel()
        self._alarms.clear()
        if expires_at is None:
            return
        self._alarms = [
            Alarm(expires_at - clock.seconds(WARN_BEFORE), self.outbox.frame, answers.expiring(expires_at)),
            Alarm(expires_at, self.outbox.close, closing.UNAUTHENTICATED, "the token has expired"),
        ]

    # Answers, and the end

    def refuse(self, id: Any, error: BrokerError) -> None:
        self.outbox.frame(answers.error(id, error))

    def ok(self, id: Any) -> None:
        if id is not None:
            self.outbox.frame(answers.ok(id))

    def _close_from_anywhere(self, code: int, reason: str) -> None:
        self._loop.call_soon_threadsafe(self.outbox.close, code, reason)

    def end(self, *, clean: bool) -> None:
        """The socket is over; what it held goes back behind whatever it sent before."""
        self._merging.flush()
        for alarm in self._alarms:
            alarm.cancel()
        self.connection.end(clean=clean)
