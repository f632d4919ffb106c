"""A language of a few words, for who wants to see what the carrier asks of one: a line each, and what is binary comes back.

iam PASSWORD        welcome NAME, as the first line
take QUEUE          taking QUEUE; then "message RECEIPT BODY" for each
done RECEIPT        done RECEIPT, once that is stored
read STREAM         reading STREAM, from its start; then "records PARTITION BODY BODY ..." for each run
bye                 the broker closes
anything else       sorry CODE
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brokerweb.core import closing
from brokerweb.core.errors import BrokerError, Invalid, Unauthenticated, Unavailable
from brokerweb.delivery import connections, hub
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.faces.websocket.language import Frame, Introduced, Language, Outbox
from brokerweb.identity.principal import Principal
from brokerweb.queues import engine
from brokerweb.queues.messages import Leased, Settle
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import reading

ADA = Principal("ada", "token:1", superuser=True)


class Session:
    full = False  # each command is awaited

    def __init__(self, principal: Principal, address: str, outbox: Outbox) -> None:
        if hub.current is None or hub.current.stopping:
            raise Unavailable()
        self.hub, self.outbox = hub.current, outbox
        self.connection = connections.Connection(self.hub.queues, self.hub.verbs, principal, address, "lines.v1")
        self.connection.close = outbox.close
        connections.register(self.connection)

    async def handle(self, frame: Frame) -> None:
        if isinstance(frame, bytes):
            self.outbox.frame(frame)
            return
        verb, _, name = frame.partition(" ")
        try:
            await {"take": self.take, "done": self.done, "read": self.read, "bye": self.bye}.get(verb, self.unknown)(name)
        except BrokerError as error:
            self.outbox.frame(f"sorry {error.code}")

    async def take(self, name: str) -> None:
        definition = await aperform(engine.find, name)
        subscription = self.hub.queues.subscription(name, definition, engine.Terms("ws:lines"), 100)
        subscription.deliver = self.deliver
        self.outbox.frame(f"taking {name}")
        self.connection.add(subscription)

    def deliver(self, subscription: Subscription, messages: list[Leased]) -> None:
        self.outbox.deliver(subscription, messages, sum(len(message.body) for message in messages))

    async def done(self, receipt: str) -> None:
        await aperform(engine.settle, [Settle("ack", receipt)])
        self.outbox.frame(f"done {receipt}")

    async def read(self, name: str) -> None:
        found, places = await aread(reading.positions, name, "earliest")
        subscription = WholeStream(self.hub.tails, name, name, 100)
        subscription.deliver = lambda subscription, number, run: self.outbox.records(subscription, run, run.size)
        self.connection.streams[name] = subscription
        self.outbox.frame(f"reading {name}")
        subscription.begin(found, places)

    async def bye(self, _: str) -> None:
        self.outbox.close(closing.NORMAL, "bye")

    async def unknown(self, _: str) -> None:
        raise Invalid("no such verb")

    async def room(self) -> None:
        """There always is."""

    def crowded(self, crowded: bool) -> None:
        for stream in self.connection.streams.values():
            stream.congest(crowded)

    def end(self, *, clean: bool) -> None:
        self.connection.end(clean=clean)


class Lines(Language):
    subprotocol, binary = "lines.v1", True

    def __init__(self) -> None:
        self.delivered: list[int] = []  # how many messages came together

    def hello(self) -> None:
        return None

    async def first_frame(self, frame: Frame) -> Introduced:
        if frame != "iam sesame":
            raise Unauthenticated()
        return Introduced(ADA, f"welcome {ADA.name}")

    def session(self, principal: Principal, address: str, outbox: Outbox, client: str | None = None) -> Session:
        return Session(principal, address, outbox)

    def deliver(self, to: Subscription, messages: list[Leased]) -> Sequence[Frame]:
        self.delivered.append(len(messages))
        return [f"message {message.receipt} {message.body.decode()}" for message in messages]

    def records(self, to: StreamSubscription, run: Run) -> Sequence[Frame]:
        bodies: Any = run.encoded.setdefault("lines", " ".join(record.body.decode() for record in run.records))
        return [f"records {run.records[0].partition} {bodies}"]

    def error(self, error: BrokerError, about: Frame | None) -> str:
        return f"sorry {error.code}: {'nothing' if about is None else len(about)} was said"
