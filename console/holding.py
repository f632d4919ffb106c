"""Who holds what: consumers and how they get on, messages in flight and since when. People read names here, never ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, NamedTuple

from brokerweb.console.filters import LIMIT, InFlightOf
from brokerweb.core import clock
from brokerweb.delivery import connections
from brokerweb.delivery import consumers as waiting
from brokerweb.delivery.consumers import Taking
from brokerweb.identity import clients
from brokerweb.identity.clients import Who
from brokerweb.queues import browse
from brokerweb.queues.models import Message, Queue

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

    @property
    def share(self) -> float:
        return min(1.0, self.unsettled / self.prefetch) if self.prefetch else 0.0


def consumers(queue: Queue) -> list[Consumer]:
    """Who subscribes to a queue: those that stand first, then the fullest."""
    taking = [each for each in waiting.of([queue.pk]).get(queue.pk, []) if each.prefetch is not None]
    names = clients.describe(each.holder for each in taking)
    found = [_consumer(each, names[each.holder], min(queue.lease, SILENT)) for each in taking]
    return sorted(found, key=lambda c: (not c.stands, -c.share, c.client))


def _consumer(taking: Taking, who: Who, patience: float) -> Consumer:
    live = connections.described(taking.connection) if taking.connection else None
    client = taking.client or who.client
    since = max(taking.busy_since or 0, taking.settled_at or 0)
    silent = (clock.now() - since) / clock.SECOND if taking.unsettled and since else None
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
    )


class Held(NamedTuple):
    """A message in flight. ``connection`` is that of its holder while it is live."""

    message: Message
    place: str  # its page
    who: Who
    since: datetime | None
    left: float
    share: float  # of its lease that is left
    connection: str


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


def page(queue: Queue, asked: InFlightOf, place: Callable[[Message], str]) -> dict[str, Any]:
    """What a page of messages in flight shows; ``place`` is where the page of one of them is."""
    found, last = browse.in_flight(queue, holder=holder_of(asked.connection), after=asked.after, limit=LIMIT)
    items = held(found, queue.lease, place)
    return {
        "held": items,
        "of": (items[0].who.client if items else "that consumer") if asked.connection else "",
        "counts": browse.counts([queue.pk])[queue.pk],
        "after": asked.after,
        "first_page": asked.first_page,
        "next": asked.page_after(last) if last is not None else None,
    }
