"""The frames of streams: subscribe, seek; and commit where a group is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from brokerweb.core.errors import BrokerError, Conflict, NotFound
from brokerweb.core.names import check_name
from brokerweb.delivery.stream_subscription import StreamSubscription
from brokerweb.delivery.tail import Run
from brokerweb.faces import positions
from brokerweb.faces.websocket import commands
from brokerweb.storage.reading import aread

if TYPE_CHECKING:
    from brokerweb.faces.websocket.session import Session

_encode = msgspec.json.Encoder().encode


class StreamCommands:
    """What a session does with them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handlers(self) -> dict[Any, Any]:
        return {commands.Subscribe: self._subscribe, commands.Seek: self._seek}

    async def _subscribe(self, command: commands.Subscribe, size: int) -> None:
        session = self._session
        check_name(command.stream, "/stream")
        session.principal.require("consume", "stream", command.stream)
        sub = str(command.id)
        session.connection.check_free(sub)
        found, places = await aread(positions.start, command.stream, command.start or "latest")
        subscription = StreamSubscription(session.hub, sub, command.stream, command.prefetch)
        subscription.deliver, subscription.ended = self._deliver, self._ended
        session.connection.streams[sub] = subscription
        session.outbox.frame(f'{{"op":"ok","id":{_encode(command.id).decode()},"sub":{_encode(sub).decode()}}}')
        for partition in found.partitions:
            subscription.follow(partition.id, partition.number, places[partition.number], partition.end)

    async def _seek(self, command: commands.Seek, size: int) -> None:
        subscription = self._session.connection.streams.get(command.sub)
        if subscription is None:
            raise NotFound(f"There is no subscription {command.sub}.")
        found, places = await aread(positions.start, subscription.stream, command.to)
        if not subscription.open:
            raise Conflict("The subscription has ended.")
        named = set(places) if isinstance(command.to, str) else {int(number) for number in command.to}
        for partition in found.partitions:
            if partition.number in named and partition.id in subscription.places:
                subscription.move(partition.id, places[partition.number])
        self._session.ok(command.id)

    def _deliver(self, subscription: StreamSubscription, number: int, run: Run) -> None:
        self._session.outbox.records(subscription, number, run)

    def _ended(self, subscription: StreamSubscription, error: BrokerError) -> None:
        self._session.connection.streams.pop(subscription.sub, None)
        subscription.stop()
        frame = {"op": "closed", "sub": subscription.sub, "code": error.code, "message": error.detail} | error.extra
        self._session.outbox.frame(_encode(frame).decode())
