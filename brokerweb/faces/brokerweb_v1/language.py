"""What the carrier is given of ``brokerweb.v1``, and where its parts come together."""

from __future__ import annotations

from collections.abc import Sequence

from brokerweb.core.errors import BrokerError, Invalid, Unauthenticated
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.faces.brokerweb_v1 import answers, frames
from brokerweb.faces.brokerweb_v1.queue_commands import QueueCommands
from brokerweb.faces.brokerweb_v1.session import Session
from brokerweb.faces.brokerweb_v1.stream_commands import StreamCommands
from brokerweb.faces.codec.json import decode
from brokerweb.faces.websocket.language import Frame, Introduced, Language, Outbox, Text
from brokerweb.identity import authentication
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits
from brokerweb.queues.messages import Leased


class BrokerwebV1(Language):
    """JSON text frames."""

    subprotocol, binary = frames.SUBPROTOCOL, False

    def hello(self) -> str:
        return answers.hello()

    async def first_frame(self, frame: Frame) -> Introduced:
        if isinstance(frame, bytes):
            raise Unauthenticated()
        try:
            auth = decode(frames.Auth, frame)
        except Invalid:
            raise Unauthenticated("The first frame must be auth.") from None
        client = limits.check_text(auth.client, "/client")
        principal = await authentication.aauthenticate(auth.token)
        return Introduced(principal, None if auth.id is None else answers.ok(auth.id), client)

    def session(self, principal: Principal, address: str, outbox: Outbox, client: str | None = None) -> Session:
        session = Session(principal, address, outbox, client)
        session.handlers |= QueueCommands(session).handlers() | StreamCommands(session).handlers()
        return session

    def deliver(self, to: Subscription, messages: list[Leased]) -> Sequence[Text]:
        return answers.deliver(to.sub, messages)

    def records(self, to: StreamSubscription, run: Run) -> Sequence[Text]:
        return answers.records(to.sub, run)

    def error(self, error: BrokerError, about: Frame | None) -> str:
        return answers.error(frames.id_of(about) if isinstance(about, str) else None, error)
