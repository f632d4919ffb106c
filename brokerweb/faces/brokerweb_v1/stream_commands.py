"""The frames of streams: subscribe, seek; and commit where a group is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.cluster import here
from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, Conflict, Invalid, NotFound
from brokerweb.core.names import check_name
from brokerweb.delivery.groups.member import GroupSubscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.faces.brokerweb_v1 import answers, frames
from brokerweb.faces.brokerweb_v1.session import Handlers, Session
from brokerweb.faces.codec import positions
from brokerweb.handout.lease import source_of
from brokerweb.queues import engine, limits
from brokerweb.storage.calls import Call
from brokerweb.storage.reading import Reads, aread
from brokerweb.storage.run import aperform
from brokerweb.streams import membership
from brokerweb.streams.groups import find_group
from brokerweb.streams.membership import Change
from brokerweb.streams.positions import commit, parse_offsets


def shared_queue(reads: Reads, stream: str, group: str) -> int | None:
    """The id of a shared group's queue; None for a group of the other kind, or one that is not there yet."""
    try:
        return find_group(reads, stream, group).queue_id
    except NotFound:
        return None


class StreamCommands:
    """What a session does with them."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def handlers(self) -> Handlers:
        return {frames.Subscribe: self._subscribe, frames.Commit: self._commit, frames.Seek: self._seek}

    async def _subscribe(self, command: frames.Subscribe, size: int) -> None:
        session = self._session
        check_name(command.stream, "/stream")
        command.client = limits.check_text(command.client, "/client") or None
        session.principal.require("consume", "stream", command.stream)
        session.connection.check_free(str(command.id))
        if command.group is None:
            await self._follow(command)
        elif command.start is not None:
            raise Invalid.at("/from", "a group has positions of its own; seek moves them")
        else:
            check_name(command.group, "/group")
            queue_id = await aread(shared_queue, command.stream, command.group)
            await (self._join(command, command.group) if queue_id is None else self._share(command, command.group, queue_id))

    def _begin(self, command: frames.Subscribe, subscription: StreamSubscription) -> None:
        """The subscription is there from now on, and the client knows it before any record comes."""
        subscription.deliver, subscription.ended = self._deliver, self._ended
        subscription.congested = self._session.outbox.crowded
        subscription.named = command.client
        self._session.connection.add_stream(subscription)
        self._session.outbox.frame(answers.subscribed(command.id, subscription.sub))

    # By oneself

    async def _follow(self, command: frames.Subscribe) -> None:
        found, places = await aread(positions.start, command.stream, "latest" if command.start is None else command.start)
        subscription = WholeStream(self._session.hub.tails, str(command.id), command.stream, command.prefetch)
        self._begin(command, subscription)
        subscription.begin(found, places)

    # In a group

    async def _share(self, command: frames.Subscribe, group: str, queue_id: int) -> None:
        """Records of a shared group come as messages of a queue do, with receipts."""
        session = self._session
        holder = session.connection.introduce(str(command.id), command.client)
        definition, stream_id = await aperform(source_of, queue_id)
        terms = engine.Terms(holder)
        subscription = session.hub.queues.subscription(str(command.id), definition, terms, command.prefetch)
        subscription.group, subscription.stream_id = (command.stream, group), stream_id
        subscription.named = command.client
        session.begin(command.id, subscription)

    async def _join(self, command: frames.Subscribe, group: str) -> None:
        session, sub = self._session, str(command.id)
        member = f"{here.name()}/{session.connection.id}/{sub[:200]}"
        connection = session.connection
        client = command.client or connection.client
        who: dict[str, Any] = {"name": connection.principal.name, "client": client, "address": connection.address}
        joined = await aperform(membership.join, command.stream, group, member, **who)
        subscription = session.hub.groups.member(sub, command.stream, command.prefetch)
        subscription.group, subscription.group_id, subscription.member = group, joined.group_id, member
        subscription.session_timeout = joined.session_timeout
        subscription.on_change = self._on_change
        self._begin(command, subscription)
        session.hub.groups.join(subscription)

    def _on_change(self, subscription: GroupSubscription, change: Change, starts: Mapping[int, int]) -> None:
        sub, generation, outbox = subscription.sub, subscription.generation, self._session.outbox
        if change.revoked:
            until_at = change.until_at if change.until_at is not None else clock.now()
            outbox.frame(answers.revoked(sub, generation, change.revoked, until_at))
        if starts or not change.revoked:
            outbox.frame(answers.assigned(sub, generation, starts))

    def _commit(self, command: frames.Commit, size: int) -> None:
        subscription = self._find(command.name)
        if not isinstance(subscription, GroupSubscription):
            raise Conflict(f"The subscription {command.name} is no member of a group: it has nothing to commit to.")
        offsets = parse_offsets(command.offsets)
        fence = {"member": subscription.member, "generation": subscription.generation}

        def done(call: Call) -> None:
            if call.error is not None:
                self._session.refuse(command.id, call.error)
            else:
                subscription.committed(offsets)
                self._session.ok(command.id)

        self._session.start(commit, (subscription.stream, subscription.group, offsets), fence, done, size)

    def _find(self, sub: str) -> StreamSubscription:
        connection = self._session.connection
        if sub in connection.streams:
            return connection.streams[sub]
        if sub in connection.subscriptions:
            raise Conflict(f"The subscription {sub} hands out single messages: they are settled, and it has no position.")
        raise NotFound(f"There is no subscription {sub}.")

    async def _seek(self, command: frames.Seek, size: int) -> None:
        subscription = self._find(command.name)
        if isinstance(subscription, GroupSubscription):
            raise Conflict("A group is moved for all of its members, over REST.")
        found, places = await aread(positions.start, subscription.stream, command.to, "/to")
        if not subscription.open:
            raise Conflict("The subscription has ended.")
        named = set(places) if isinstance(command.to, str) else {int(number) for number in command.to}
        for partition in found.partitions:
            if partition.number in named and partition.id in subscription.places:
                subscription.move(partition.id, places[partition.number])
        self._session.ok(command.id)

    def _deliver(self, subscription: StreamSubscription, number: int, run: Run) -> None:
        self._session.outbox.records(subscription, run, run.size)

    def _ended(self, subscription: StreamSubscription, error: BrokerError) -> None:
        self._session.connection.streams.pop(subscription.sub, None)
        self._session.connection.end_stream(subscription, clean=True)
        code = "deleted" if isinstance(error, NotFound) else error.code
        self._session.outbox.frame(answers.closed(subscription.sub, code, error.detail, error.extra))
