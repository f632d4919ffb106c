"""Lease: hand ready messages out, in order, to one holder."""

from __future__ import annotations

from brokerweb.core import events
from brokerweb.core.clock import seconds
from brokerweb.storage.transaction import Transaction
from queues import keys
from queues.definitions import Definition, Q, find
from queues.messages import Handout, Leased
from queues.states import State

MAX_BYTES = 512 * 1024  # of bodies in one answer; one larger message goes by itself


class Terms:
    """How a holder takes messages. ``lease`` is seconds (None: the queue's); ``shareable`` leaves out those that must go alone."""

    __slots__ = ("acknowledge", "holder", "lease", "max_bytes", "shareable")

    def __init__(self, holder: str, *, lease: float | None = None, acknowledge: bool = True, shareable: bool = False) -> None:
        self.holder, self.lease, self.acknowledge, self.shareable = holder, lease, acknowledge, shareable
        self.max_bytes = MAX_BYTES


def lease(tx: Transaction, queue: str, limit: int, terms: Terms) -> Handout:
    """Hand out up to ``limit`` ready messages. Raises NotFound; a paused queue hands out nothing.

    A message whose last consumer was lost goes out alone, so that one poison message cannot take others with it.
    """
    source = find(tx, queue)
    if source.paused_at is not None:
        return Handout([], paused=True)
    found, more = _next(tx, source, limit, terms)
    if not found:
        return Handout([], more=False, alone=more and terms.shareable)
    if terms.acknowledge:
        _lease(tx, source, found, terms)
    else:
        _take(tx, source, found)
    tx.count(source.id, State.READY, -len(found))
    tx.outcome.event(events.DELIVERED, source.id, len(found))
    return Handout(found, more=more)


def _next(tx: Transaction, source: Definition, limit: int, terms: Terms) -> tuple[list[Leased], bool]:
    """The next messages, as many as fit; and whether something ready is left."""
    statement = Q.next_shareable if terms.shareable else Q.next_ready
    found: list[Leased] = []
    size = 0
    for row in tx.scan(statement, source.id, limit + 1):
        message = _leased(source.id, row)
        size += len(message.body)
        if found and (len(found) == limit or size > terms.max_bytes or message.alone):
            return found, True
        found.append(message)
        if message.alone:
            return found, True
    return found, terms.shareable and not found and tx.row(Q.any_ready, source.id) is not None


def _leased(queue_id: int, row: tuple[object, ...]) -> Leased:
    (id, attempts, failures, priority, key, headers, content_type, binary, body, published_at, expires_at, reply_to,
     correlation_id, position, alone) = row  # fmt: skip
    return Leased(
        id, queue_id, attempts, failures, priority, key, headers, content_type, bool(binary), body, published_at,  # type: ignore[arg-type, operator]  # columns of the statement
        expires_at, reply_to, correlation_id, position, alone=bool(alone),  # type: ignore[arg-type]
    )  # fmt: skip


def _lease(tx: Transaction, source: Definition, found: list[Leased], terms: Terms) -> None:
    length = terms.lease or source.lease
    until = tx.now + seconds(length)
    for message in found:
        message.attempts += 1
        message.lease, message.lease_until = length, until
        message.receipt = f"{source.id}-{message.id}-{message.attempts}"
    tx.change_many(Q.lease, [(m.id, m.attempts, until, terms.holder) for m in found])
    tx.count(source.id, State.LEASED, len(found))
    tx.outcome.due(until)


def _take(tx: Transaction, source: Definition, found: list[Leased]) -> None:
    """At most once: the message is gone in the commit that hands it out."""
    for message in found:
        message.attempts += 1
    tx.change_many(Q.remove, [(m.id,) for m in found])
    retried = [(m.id,) for m in found if m.attempts > 1]
    if retried:
        tx.change_many(Q.forget_failures, retried)
    if source.keyed:
        keys.leave(tx, source.id, [m.key for m in found])
