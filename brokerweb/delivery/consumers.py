"""Who waits for messages of a queue, and what they hold: for those who ask why a queue stands. Of the whole cluster."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from brokerweb.delivery import connections, elsewhere, hub
from brokerweb.delivery.queues.room import Taker
from brokerweb.delivery.queues.subscription import Subscription


class Taking(NamedTuple):
    """A subscription, or with ``prefetch`` None a call that waits. Instants are of the broker's clock."""

    holder: str
    client: str | None  # None where the connection is gone, or there is none
    connection: str | None
    prefetch: int | None
    unsettled: int
    full: bool
    settled_at: int | None
    busy_since: int | None
    rate: float | None = None  # messages a second that it is given; None of a call


def of(queue_ids: Iterable[int] | None = None) -> dict[int, list[Taking]]:
    """By queue, those who take from these, or from any. From any thread; what it reads may be a moment old.

    Of a queue with very many consumers at another node there are some: those with room first, and those silent for longest.
    """
    wanted = None if queue_ids is None else set(queue_ids)
    found = here(wanted)
    for queue_id, others in elsewhere.takings(wanted).items():
        found.setdefault(queue_id, []).extend(Taking(*other) for other in others)
    return found


def here(queue_ids: Iterable[int] | None = None) -> dict[int, list[Taking]]:
    """Those in this process."""
    current = hub.current
    if current is None:
        return {}
    there = current.book.queues()
    wanted = there if queue_ids is None else there & set(queue_ids)
    return {queue_id: [_taking(taker) for taker in current.book.of(queue_id)] for queue_id in wanted}


def _taking(taker: Taker) -> Taking:
    if not isinstance(taker, Subscription):
        return Taking(taker.holder, None, None, None, taker.unsettled, False, None, None)
    connection = connections.find(taker.holder.split("/")[1]) if taker.holder.count("/") > 1 else None
    client = taker.named or (None if connection is None else connection.client)
    id = None if connection is None else connection.id
    unsettled = len(taker.held) if taker.acknowledge else taker.unsettled
    settled_at, busy_since, rate = taker.settled_at, taker.busy_since, taker.pace.rate()
    return Taking(taker.holder, client, id, taker.prefetch, unsettled, taker.full, settled_at, busy_since, rate)
