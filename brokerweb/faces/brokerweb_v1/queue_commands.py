"""The frames of queues: publish (to streams and topics, too), consume, settle, credit, cancel; and transact."""

from __future__ import annotations

from typing import Any

from brokerweb.core.errors import BrokerError, Conflict, NotFound
from brokerweb.core.names import check_name, parse_destination
from brokerweb.faces.brokerweb_v1 import answers, frames
from brokerweb.faces.brokerweb_v1.session import Handlers, Session
from brokerweb.faces.calls.merging import publishing, settling
from brokerweb.faces.codec import settles, transactions
from brokerweb.faces.codec.destinations import publishing_to
from brokerweb.queues import engine, limits
from brokerweb.queues.messages import Settle, Settled
from brokerweb.routing import pointers
from brokerweb.routing.transacting import transact
from brokerweb.storage import run
from brokerweb.storage.calls import Call


class QueueCommands:
    """What a session does with them."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._settling = settling(may=lambda kind, name: session.principal.may("consume", kind, name))

    def handlers(self) -> Handlers:
        return {
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
        }

    def _publish(self, command: frames.Publish, size: int) -> None:
        session = self._session
        kind, name = parse_destination(command.to)
        session.principal.require("publish", kind, name)
        verb, items, as_json = publishing_to(kind, command.messages)

        def done(result: Any, error: BrokerError | None) -> None:
            if error is not None:
                session.refuse(command.id, pointers.for_messages(error))
            elif command.id is not None:
                session.outbox.frame(answers.ok(command.id, f'"results":{as_json(result).decode()}'))

        publisher = {"publisher": session.principal.name}
        if kind == "queue":
            session.merge(publishing(name, **publisher), list(items), size, done)
        else:
            session.start(verb, (name, items), publisher, lambda call: done(call.result, call.error), size)

    def _transact(self, command: frames.Transact, size: int) -> None:
        session = self._session
        request = transactions.to_request(command)
        transactions.require(session.principal, request)

        def done(call: Call) -> None:
            if call.error is not None:
                session.refuse(command.id, call.error)
            elif command.id is not None:
                session.outbox.frame(answers.ok(command.id, transactions.as_json(call.result).decode()))

        owner, publisher = session.principal.owner, session.principal.name
        session.start(transact, (request,), {"owner": owner, "publisher": publisher}, done, size)

    # Settling

    def _settle(self, command: Any, settles: list[Settle], size: int) -> None:
        if not settles:
            self._session.ok(command.id)
            return

        def done(result: Any, error: BrokerError | None) -> None:
            if error is not None:
                self._session.refuse(command.id, error)
            else:
                self._settled_as(command, result)

        self._session.merge(self._settling, settles, size, done)

    def _settled_as(self, command: Any, fates: list[Settled]) -> None:
        if any(fate.status != "ok" for fate in fates):
            self._session.outbox.frame(answers.lost(command.id, fates))
        elif command.id is not None:
            results = f'"results":{settles.settled(fates).decode()}' if isinstance(command, frames.Extend) else ""
            self._session.outbox.frame(answers.ok(command.id, results))

    # Subscriptions

    async def _consume(self, command: frames.Consume, size: int) -> None:
        session = self._session
        check_name(command.queue, "/queue")
        client = limits.check_text(command.client, "/client") or None
        session.principal.require("consume", "queue", command.queue)
        sub = str(command.id)
        session.connection.check_free(sub)
        holder = session.connection.introduce(sub, client)
        definition = await run.aperform(engine.find, command.queue)
        terms = engine.Terms(holder, command.lease, command.ack == "explicit")
        subscription = session.hub.queues.subscription(sub, definition, terms, command.prefetch)
        subscription.named = client
        session.begin(command.id, subscription)

    def _credit(self, command: frames.Credit, size: int) -> None:
        session = self._session
        stream = session.connection.streams.get(command.name)
        if stream is not None:
            stream.grant(command.n, frames.MAX_PREFETCH)
            session.ok(command.id)
            return
        subscription = session.connection.subscriptions.get(command.name)
        if subscription is None:
            raise NotFound(f"There is no subscription {command.name}.")
        if subscription.acknowledge:
            raise Conflict("Credit of this subscription comes back by settling.")
        session.hub.book.grant(subscription, command.n, frames.MAX_PREFETCH)
        session.hub.queues.look([subscription.queue_id])
        session.ok(command.id)

    def _cancel(self, command: frames.Cancel, size: int) -> None:
        session = self._session
        stream = session.connection.streams.pop(command.name, None)
        if stream is not None:
            session.connection.end_stream(stream, clean=True)
            session.ok(command.id)
        elif session.connection.cancel(command.name, release=command.release, done=lambda: session.ok(command.id)) is None:
            raise NotFound(f"There is no subscription {command.name}.")
