"""Who holds what: consumers and how they get on, messages in flight and since when. People read names here, never ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from brokerweb.console.filters import LIMIT, InFlightOf
from brokerweb.console.listing import Asked, Column, arranged
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.delivery import consumers as waiting
from brokerweb.delivery.consumers import Taking
from brokerweb.identity import clients
from brokerweb.identity.clients import Who
from brokerweb.identity.masks import Veil
from brokerweb.queues import browse
from brokerweb.queues.models import Message, Queue

QUIET = 5.0  # seconds without a settlement that nobody need be told of
SILENT = 60.0  # seconds without a settlement, at most, from which a full consumer is said to stand


class Consumer(NamedTuple):
    """One subscription. ``by`` is the name of its token or user, where its client calls itself otherwise."""

    connection: str
    client: str
    by: str
    address: str | None
    prefetch: int
    unsettled: int
    full: bool
    settled_at: datetime | None
    silent: float | None  # seconds for which it has settled nothing of what it holds
    connected_at: datetime | None
    stands: bool  # it is full and has been silent for long: nothing more goes to it
    ages: Sequence[float] = ()  # of what it holds, the longest first, as a share of the queue's lease
    oldest: float | None = None  # seconds
    rate: float | None = None  # messages a second that it is given

    @property
    def share(self) -> float:
        return min(1.0, self.unsettled / self.prefetch) if self.prefetch else 0.0


CONSUMERS = [
    Column[Consumer]("client", "Client", lambda consumer: consumer.client, fixed=True),
    Column[Consumer]("address", "Address", lambda consumer: consumer.address, style="wide less", sortable=False),
    Column[Consumer]("holds", "Holds", lambda consumer: consumer.unsettled),
    Column[Consumer]("rate", "Takes /s", lambda consumer: consumer.rate, style="n mid"),
    Column[Consumer]("settled", "Last settled", lambda consumer: consumer.settled_at, style="mid"),
    Column[Consumer]("connected", "Connected for", lambda consumer: consumer.connected_at, style="n wide less"),
]


def consumers(queue: Queue) -> list[Consumer]:
    """Who subscribes to a queue: those that stand first, then the fullest."""
    taking = [each for each in waiting.of([queue.pk]).get(queue.pk, []) if each.prefetch is not None]
    names = clients.describe(each.holder for each in taking)
    since, now = browse.held_since(queue) if taking else {}, clock.now()
    found = []
    for each in taking:
        ages = [max(0.0, (now - at) / clock.SECOND) for at in since.get(each.holder, ())]
        consumer = _consumer(each, names[each.holder], min(queue.lease, SILENT))
        shares = [age / max(queue.lease, 0.001) for age in ages]
        found.append(consumer._replace(ages=shares, oldest=max(ages, default=None)))
    return sorted(found, key=lambda c: (not c.stands, -c.share, c.client))


def _consumer(taking: Taking, who: Who, patience: float) -> Consumer:
    live = connections.described(taking.connection) if taking.connection else None
    client = taking.client or who.client
    since = max(taking.busy_since or 0, taking.settled_at or 0)
    silent = (clock.now() - since) / clock.SECOND if taking.unsettled and since else None
    silent = None if silent is not None and silent < QUIET else silent
    return Consumer(
        taking.connection or "",
        client,
        who.by if who.by and who.by != client else "",
        who.address if live is None else live["address"],
        taking.prefetch or 0,
        taking.unsettled,
        taking.full,
        None if taking.settled_at is None else clock.to_datetime(clock.to_wall(taking.settled_at)),
        silent,
        None if live is None else clock.to_datetime(clock.parse_rfc3339(live["connected_at"])),
        taking.full and (silent or 0.0) > patience,
        rate=taking.rate,
    )


class Crowd(NamedTuple):
    """Consumers in a few numbers: how many stand, what they hold of what they may, and are given a second."""

    n: int
    stand: int
    held: int
    room: int
    rate: float

    @classmethod
    def of(cls, found: Sequence[Consumer]) -> Crowd:
        """Of these."""
        held, room = sum(each.unsettled for each in found), sum(each.prefetch for each in found)
        return cls(len(found), sum(each.stands for each in found), held, room, sum(each.rate or 0.0 for each in found))


class Held(NamedTuple):
    """A message in flight. ``connection`` is that of its holder while it is live."""

    message: Message
    place: str  # its page
    who: Who
    since: datetime | None
    left: float
    share: float  # of its lease that is left
    connection: str


HELD = [
    Column[Held]("message", "Message", lambda item: item.message.pk, fixed=True),
    Column[Held]("holder", "Held by", lambda item: item.who.client),
    Column[Held]("since", "For", lambda item: item.since, style="mid"),
    Column[Held]("left", "Lease left", lambda item: item.left),
    Column[Held]("extended", "Extended", lambda item: item.message.extended, style="n wide"),
    Column[Held]("attempt", "Attempt", lambda item: item.message.attempts, style="n wide"),
]


def held(messages: Iterable[Message], lease: float, place: Callable[[Message], str]) -> list[Held]:
    """The messages with who holds each; ``lease`` is what their queue gives."""
    listed = list(messages)
    names = clients.describe(m.holder for m in listed)
    live = connections.there(who.connection for who in names.values())
    found = []
    for message in listed:
        who = names.get(message.holder or "") or Who("somebody unknown")
        left = max(0.0, (clock.from_datetime(message.due_at) - clock.to_wall(clock.now())) / clock.SECOND)
        connection = who.connection if who.connection in live else None
        share = min(1.0, left / max(lease, left, 0.001))
        found.append(Held(message, place(message), who, message.leased_at, left, share, connection or ""))
    return found


def holder_of(connection: str) -> str | None:
    """How holders begin that are subscriptions of a connection; None without one."""
    return clients.socket_holder(connections.node_of(connection), connection, "") if connection else None


def page(queue: Queue, wanted: Asked, place: Callable[[Message], str], veil: Veil) -> dict[str, Any]:
    """What a page of messages in flight shows through ``veil``; ``place`` is where the page of one of them is."""
    asked = InFlightOf.of(wanted.given)
    found, last = browse.in_flight(queue, holder=holder_of(asked.connection), after=asked.after, limit=LIMIT)
    items = held(veil.over_all(found), queue.lease, place)
    whole = last is None and not asked.after
    return {
        "held": arranged(items, wanted),
        "longest": min((item.since for item in items if item.since is not None), default=None) if whole else None,
        "of": (items[0].who.client if items else "that consumer") if asked.connection else "",
        "counts": browse.counts([queue.pk])[queue.pk],
        "after": asked.after,
        "first_page": wanted.query(),
        "next": wanted.query(after=str(last)) if last is not None else None,
    }
