"""Every lease goes through here, whoever asks: a shared group's queue is refilled from its stream when it has too little."""

from __future__ import annotations

from collections.abc import Sequence

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import NotFound
from brokerweb.handout.refill import Q, hold, refill
from brokerweb.queues import leasing, readiness
from brokerweb.queues.definitions import Definition, find, find_by_id
from brokerweb.queues.leasing import ROUND_BYTES, Terms, Want, lease_alone, round_bytes
from brokerweb.queues.messages import Handout, Leased
from brokerweb.storage.handover import HandOver, Taker
from brokerweb.storage.transaction import Transaction

__all__ = ["lease", "lease_alone", "lease_round", "lease_to", "lease_to_takers", "source_of"]


def lease(tx: Transaction, queue: str | int, limit: int, terms: Terms) -> Handout:
    """``leasing.lease`` from a queue by name, or from a shared group's by its queue's id. Raises NotFound."""
    source = _found(tx, queue)
    if source.stream is not None:
        hold(tx, source.id)
    handout = leasing.lease(tx, source.name, limit, terms)
    room = limit - len(handout.messages)
    if source.stream is None or handout.paused or handout.more or room <= 0:
        return handout
    size = sum(len(message.body) for message in handout.messages)
    [records], more = refill(tx, source, [Want(room, terms)], ANSWER_BYTES - size)
    return Handout(handout.messages + records, more=more)


def lease_round(tx: Transaction, queue_id: int, wants: Sequence[Want]) -> tuple[list[list[Leased]], Handout]:
    """``leasing.lease_round``, and then from the stream, for those who have room left. Raises NotFound."""
    source = find_by_id(tx, queue_id)
    if source is not None and source.stream is not None:
        hold(tx, queue_id)
    parts, rest = leasing.lease_round(tx, queue_id, wants)
    if source is None or source.stream is None or rest.paused or rest.more:
        return parts, rest
    left = [_left(want, part) for want, part in zip(wants, parts, strict=True)]
    records, more = refill(tx, source, left, round_bytes(left))
    return [part + new for part, new in zip(parts, records, strict=True)], rest._replace(more=more)


def _left(want: Want, part: list[Leased]) -> Want:
    """What somebody still wants who has that part: nothing, if it may fill an answer."""
    limit = 0 if part and want.most_bytes < ROUND_BYTES else want.limit - len(part)
    return Want(limit, want.terms, want.unsettled + len(part), want.most_bytes)


def lease_to_takers(tx: Transaction, queue_id: int) -> Handout:
    """Lease ready messages to all who have room, in a round, and say what is left. Raises NotFound.

    They reach their takers as what a publish hands over does, in the order of the transaction's verbs, and the room that
    was not needed is free again for the next verb: a publish in the same commit is handed over, too.
    """
    if tx.handover is None:
        return Handout([])
    return lease_to(tx, tx.handover, queue_id, [(taker, n, 0) for taker, n in tx.handover.reserve_all(queue_id)])


def lease_to(tx: Transaction, handover: HandOver, queue_id: int, room: Sequence[tuple[Taker, int, int]]) -> Handout:
    """``lease_to_takers`` for whom room was reserved: (taker, how much, how many of its leases end with this commit)."""
    reserved = [(taker, n) for taker, n, _ in room]
    wants = [
        Want(n, Terms(taker.holder, taker.lease, taker.acknowledge), taker.unsettled - n - ended, taker.most_bytes or ROUND_BYTES)
        for taker, n, ended in room
    ]
    try:
        parts, rest = lease_round(tx, queue_id, wants) if wants else ([], Handout([], more=True))
    except BaseException:
        handover.cancel(reserved)
        raise
    handover.cancel([(taker, n - len(part)) for (taker, n), part in zip(reserved, parts, strict=True)])
    tx.outcome.handed += [(taker, part) for (taker, _), part in zip(reserved, parts, strict=True) if part]
    readiness.tell(tx, queue_id, idle=bool(wants) and not (rest.more or rest.alone or rest.paused))
    if rest.more and not tx.dialect.single_writer:  # there it may as well be that nothing is left
        readiness.forget(tx, queue_id)
    return rest


def source_of(tx: Transaction, queue: str | int) -> tuple[Definition, int | None]:
    """A queue by name, or a shared group's by its queue's id, and the stream that feeds it. Raises NotFound."""
    source = _found(tx, queue)
    group = tx.row(Q.group_of_queue, source.id) if source.stream is not None else None
    _, stream_id = group or (None, None)
    return source, stream_id


def _found(tx: Transaction, queue: str | int) -> Definition:
    source = find(tx, queue) if isinstance(queue, str) else find_by_id(tx, queue)
    if source is None:
        raise NotFound("The group was deleted.")
    return source
