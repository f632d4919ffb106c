"""The live connections: who is there, what they wait for and hold, and how to close one.

Those of this process are known by themselves, those of other nodes as these told the database.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from brokerweb.cluster import here, nodes
from brokerweb.core import clock, closing
from brokerweb.core.errors import Conflict, Forbidden, Invalid
from brokerweb.delivery import elsewhere
from brokerweb.delivery.groups.member import GroupSubscription
from brokerweb.delivery.news import CONNECTIONS, QUEUE, news
from brokerweb.delivery.queues.desk import Desk
from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.verbs import Verbs
from brokerweb.identity import clients
from brokerweb.identity.clients import Introduction
from brokerweb.identity.principal import Principal
from brokerweb.queues import limits
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform

MAX_SUBSCRIPTIONS = 1000  # of one connection
FORBIDDEN = Forbidden("The new token may not consume this.")

_connections: dict[str, Connection] = {}


class Reader(NamedTuple):
    """A client that reads a stream; ``group`` is empty where it does so by itself. ``rate`` is records a second."""

    stream: str
    group: str
    client: str
    rate: float


class Connection:
    """One socket of a known principal. ``close(code, reason)`` ends it; it is told so by its face."""

    def __init__(
        self, desk: Desk, verbs: Verbs, principal: Principal, address: str, protocol: str, *, named: str | None = None
    ) -> None:
        self.id = secrets.token_hex(8)
        self._desk, self._verbs = desk, verbs.of(self)
        self.principal, self.address, self.protocol = principal, address, protocol
        self.named = named  # as its client calls itself
        self.holders: set[str] = set()  # that were introduced
        self.connected_at = clock.wall()
        self.subscriptions: dict[str, Subscription] = {}
        self.streams: dict[str, StreamSubscription] = {}
        self.cancelled: list[Subscription] = []  # take no more, but their messages may still be settled
        self.close: Callable[[int, str], None] = lambda code, reason: None

    @property
    def client(self) -> str:
        """What the client calls itself, else its token or user is called."""
        return self.named or self.principal.name

    def introduce(self, sub: str, named: str | None = None) -> str:
        """Note who the client of a subscription is that is about to begin; its holder, as messages name it."""
        holder = clients.socket_holder(here.name(), self.id, sub)
        self._introduce(clients.connection_of(holder), self.client)
        if named is not None and named != self.client:
            self._introduce(holder, named)
        return holder

    def _introduce(self, holder: str, client: str) -> None:
        self.holders.add(holder)
        principal = self.principal
        clients.introduce(Introduction(holder, client, principal.name, principal.owner, self.id, self.address))

    def become(self, principal: Principal, named: str | None = None) -> None:
        """Go on as another principal. Subscriptions stay, but for those to what it may not consume."""
        self.principal, self.named = principal, named or self.named
        if self.holders:
            self._introduce(clients.connection_of(clients.socket_holder(here.name(), self.id, "")), self.client)
        for queue in list(self.subscriptions.values()):
            kind, name = ("queue", queue.queue) if queue.group is None else ("stream", queue.group[0])
            if not principal.may("consume", kind, name):
                queue.ended(queue, FORBIDDEN.code, FORBIDDEN.detail)
        for stream in list(self.streams.values()):
            if not principal.may("consume", "stream", stream.stream):
                stream.ended(stream, FORBIDDEN)

    def check_free(self, sub: str) -> None:
        """Raises Conflict for a live name, and for one subscription too many; Invalid for a name that cannot be stored."""
        if "\0" in sub:
            raise Invalid.at("/id", limits.NUL)
        if sub in self.subscriptions or sub in self.streams:
            raise Conflict(f"The subscription {sub} is live.")
        self._forget_settled()
        if len(self.subscriptions) + len(self.streams) + len(self.cancelled) >= MAX_SUBSCRIPTIONS:
            raise Conflict(f"A connection has at most {MAX_SUBSCRIPTIONS} subscriptions.")

    def add(self, subscription: Subscription) -> None:
        """Begin a subscription. Raises Conflict."""
        self.check_free(subscription.sub)
        self.subscriptions[subscription.sub] = subscription
        self._desk.join(subscription)
        _relisted(subscription)

    def cancel(self, sub: str, *, release: bool, done: Callable[[], None] = lambda: None) -> Subscription | None:
        """End one subscription; its messages go back, which ``done`` is told when they have, or stay with the connection."""
        subscription = self.subscriptions.pop(sub, None)
        if subscription is None:
            return None
        held = subscription.stop()
        self._desk.leave(subscription)
        self.holders.discard(subscription.holder)
        if held and not release:
            self.cancelled.append(subscription)
        self._forget_settled()
        self._verbs.release(held if release else [], done)
        _relisted(subscription)
        return subscription

    def _forget_settled(self) -> None:
        self.cancelled = [s for s in self.cancelled if s.held]

    def add_stream(self, stream: StreamSubscription) -> None:
        """Begin to follow a stream."""
        self.streams[stream.sub] = stream
        _relisted()

    def end_stream(self, stream: StreamSubscription, *, clean: bool) -> None:
        """Follow a stream no more. A group's member that is lost, not leaving, keeps its place for its session's time."""
        stream.stop()
        if clean and isinstance(stream, GroupSubscription):
            stream.goodbye(self._verbs)
        _relisted()

    def end(self, *, clean: bool) -> None:
        """The connection is over: what it held is given back, or has failed once more."""
        _connections.pop(self.id, None)
        held: list[str] = []
        for stream in self.streams.values():
            self.end_stream(stream, clean=clean)
        self.streams.clear()
        for subscription in [*self.subscriptions.values(), *self.cancelled]:
            held += subscription.stop()
            self._desk.leave(subscription)
        _relisted(*self.subscriptions.values())
        self.subscriptions.clear()
        self.cancelled.clear()
        if clean:
            self._verbs.release(held)
        else:
            self._verbs.lose(held)


def register(connection: Connection) -> None:
    _connections[connection.id] = connection
    _relisted()


def _relisted(*subscriptions: Subscription) -> None:
    """Pages that show who takes what are others now: they are told as soon as that can be seen."""
    news.note([CONNECTIONS])
    news.of(QUEUE, (subscription.queue_id for subscription in subscriptions))


def live() -> list[Connection]:
    """Those of this process."""
    return list(_connections.values())


def introduced() -> list[str]:
    """The holders of live connections of this process whose clients are known by name."""
    return [holder for connection in live() for holder in list(connection.holders)]


def snapshot() -> list[dict[str, Any]]:
    """Every connection of this process as REST and the console show it, oldest first."""
    return [describe(connection) for connection in live()]


def find(connection_id: str) -> Connection | None:
    """The live connection of that id in this process."""
    return _connections.get(connection_id)


def close_here(connection_id: str) -> bool:
    """Close one of this process on an operator's word; False when there is none of that id. From any thread."""
    connection = _connections.get(connection_id)
    if connection is None:
        return False
    connection.close(closing.BY_OPERATOR, "closed by an operator")
    return True


def consumers_here() -> Counter[int]:
    """How many subscriptions of this process wait for messages of each queue, by its id."""
    return Counter(s.queue_id for c in live() for s in list(c.subscriptions.values()))


def readers_here() -> list[Reader]:
    """Who of this process reads streams."""
    found: dict[tuple[str, str, str], float] = {}
    for connection in live():
        for s in list(connection.streams.values()):
            group = s.group if isinstance(s, GroupSubscription) else ""
            of = s.stream, group, s.named or connection.client
            found[of] = found.get(of, 0.0) + s.pace.rate()
    return [Reader(*of, round(rate, 2)) for of, rate in sorted(found.items())]


def note_paces() -> None:
    """It is time again to note how much each subscription of this process was given."""
    now = clock.monotonic()
    for connection in live():
        for subscription in list(connection.subscriptions.values()):
            subscription.pace.note(now)
        for stream in list(connection.streams.values()):
            stream.pace.note(now)


# Of the whole cluster


def readers() -> dict[tuple[str, str], dict[str, float]]:
    """The same by stream and group: by the clients' names the records a second that each is given."""
    found: dict[tuple[str, str], dict[str, float]] = {}
    for stream, group, client, rate in [*readers_here(), *elsewhere.readers()]:
        clients_there = found.setdefault((stream, group), {})
        clients_there[client] = round(clients_there.get(client, 0.0) + rate, 2)
    return found


def close(connection_id: str) -> bool:
    """Close one on an operator's word, within seconds where it is another node's; False when there is none of that id."""
    if close_here(connection_id):
        return True
    return here.shared() and bool(perform(nodes.close, connection_id))


def consumers() -> Counter[int]:
    """How many subscriptions wait for messages of each queue, by its id."""
    return consumers_here() + elsewhere.consumers()


def total() -> int:
    """How many there are."""
    return len(_connections) + elsewhere.connections()


def page(after: str, most: int) -> list[dict[str, Any]]:
    """Those behind that id, by their ids, and at most so many."""
    found = [item for item in snapshot() if item["id"] > after]
    if here.shared():
        found += _told(nodes.Q.connected, after, most)
    return sorted(found, key=lambda item: str(item["id"]))[:most]


def busiest(most: int) -> list[dict[str, Any]]:
    """Those that hold most, and at most so many."""
    found = snapshot() + (_told(nodes.Q.busiest, most) if here.shared() else [])
    return sorted(found, key=lambda item: (-held(item), item["id"]))[:most]


def described(connection_id: str) -> dict[str, Any] | None:
    """One of them, as it is shown; None where there is none of that id."""
    connection = _connections.get(connection_id)
    if connection is not None:
        return describe(connection)
    row = _row(connection_id) if here.shared() else None
    return None if row is None else json.loads(row[1])


def node_of(connection_id: str) -> str:
    """The node that a connection is, or was, one of; this one where nobody knows."""
    row = _row(connection_id) if here.shared() and connection_id not in _connections else None
    return here.name() if row is None else row[0]


def there(connection_ids: Iterable[str | None]) -> set[str]:
    """Those of these that are live."""
    wanted = {id for id in connection_ids if id}
    found = wanted & _connections.keys()
    return found | {id for id in wanted - found if _row(id) is not None} if here.shared() else found


def held(shown: dict[str, Any]) -> int:
    """How many messages a connection has not settled."""
    return sum(sub.get("unsettled", 0) for sub in shown["subscriptions"])


def _row(connection_id: str) -> tuple[str, str] | None:
    row: tuple[str, str] | None = read(lambda reads: reads.row(nodes.Q.connection, connection_id, nodes.alive_since(clock.now())))
    return row


def _told(statement: Any, *args: Any) -> list[dict[str, Any]]:
    """Connections of other nodes. One that came here since, or is over, is not among them."""
    rows = read(lambda reads: reads.rows(statement, here.name(), nodes.alive_since(clock.now()), *args))
    return [json.loads(told) for id, told in rows if id not in _connections]


def describe(connection: Connection) -> dict[str, Any]:
    """A connection of this process as REST and the console show it."""
    return {
        "id": connection.id,
        "node": here.name(),
        "owner": connection.principal.owner,
        "name": connection.principal.name,
        "client": connection.client,
        "address": connection.address,
        "protocol": connection.protocol,
        "connected_at": clock.rfc3339(connection.connected_at),
        "subscriptions": [
            *(_queue(s) | {"client": s.named or connection.client} for s in list(connection.subscriptions.values())),
            *(_stream(s) | {"client": s.named or connection.client} for s in list(connection.streams.values())),
        ],
    }


def _queue(s: Subscription) -> dict[str, Any]:
    ack = "explicit" if s.acknowledge else "none"
    source = {"queue": s.queue} if s.group is None else {"stream": s.group[0], "group": s.group[1]}
    return {"sub": s.sub, **source, "prefetch": s.prefetch, "unsettled": len(s.held), "rate": s.pace.rate(), "ack": ack}


def _stream(s: StreamSubscription) -> dict[str, Any]:
    places = {str(place.number): str(place.next) for place in s.places.values()}
    group = {"group": s.group} if isinstance(s, GroupSubscription) else {}
    window = {"prefetch": s.prefetch, "credit": s.credit, "rate": s.pace.rate()}
    return {"sub": s.sub, "stream": s.stream, **group, **window, "positions": places}
