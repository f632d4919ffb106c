"""Queues that go by themselves, and what is left of deleted ones. These verbs belong to duties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core import clock, events
from brokerweb.queues import contents, counters, history, kept
from brokerweb.queues.control import delete
from brokerweb.queues.definitions import Q as HOT
from brokerweb.queues.filters import ALL, MAX_ID
from brokerweb.queues.messages import json_ids, receipt_text
from brokerweb.queues.moves import in_one_turn
from brokerweb.queues.selection import Found, Q, flags
from brokerweb.queues.states import State
from brokerweb.storage.locks import Lock
from brokerweb.storage.reading import Reader
from brokerweb.storage.transaction import Transaction


def idle_work(reader: Reader, in_use: set[int], now: int) -> list[int]:
    """The queues whose idle time begins, ends or is over, looked for outside of commits: there may be thousands that wait.

    ``in_use`` are those with a consumer, or with traffic that may have come and gone since the last call. ``now`` may lie
    back by as long as it takes to hear of a use elsewhere.
    """
    expiring = reader.rows(Q.expiring)
    return [id for id, *idle, held in expiring if _is_due(Idle(*idle), busy=bool(held) or id in in_use, now=now)]


def expire_idle(tx: Transaction, in_use: set[int], ids: Sequence[int], hearsay: int = 0) -> list[str]:
    """Delete those of these queues that had neither consumer nor message for as long as their ``expires`` says; their names.

    ``hearsay`` is how long it may take to hear of a use elsewhere.
    """
    gone = []
    for id in sorted(ids):
        if not tx.alone_at_once(Lock.QUEUE, id):  # it is in use
            continue
        row = tx.row(Q.expiring_queue, id)
        if row is None:
            continue
        name, *rest = row
        idle, busy = Idle(*rest), id in in_use or any(counters.counted(tx, id))
        if not _is_due(idle, busy=busy, now=tx.now - hearsay):
            continue
        if busy or idle.since is None:
            tx.change(Q.note_idle, id, None if busy else tx.now)
        else:
            delete(tx, name)
            gone.append(name)
    return gone


class Idle(NamedTuple):
    """How long a queue may be idle, and since when it is."""

    expires: float
    since: int | None


def _is_due(idle: Idle, *, busy: bool, now: int) -> bool:
    """Whether something is to be done about a queue."""
    if busy or idle.since is None:
        return busy == (idle.since is not None)
    return idle.since + clock.seconds(idle.expires) <= now


def wait_anew(tx: Transaction) -> int:
    """At a start the idle times begin again: while nobody was there nobody could come."""
    return tx.change(Q.wait_anew, tx.now)


def sweep_deleted(tx: Transaction, limit: int = 500) -> int:
    """Remove some of what deleted queues held, at last their own rows; how many rows that were, 0 when nothing is left."""
    queue_id = tx.value(Q.deleted_queue)
    if queue_id is None:
        return 0
    if not tx.alone_at_once(Lock.QUEUE, queue_id):  # who found it before it was deleted may still be publishing to it
        return 0
    return (
        _sweep_messages(tx, queue_id, limit)
        or kept.end_of_queue(tx, queue_id, limit)
        or tx.change(Q.forget_dedup, queue_id, limit)
        or _sweep_queue(tx, queue_id)
    )


def _sweep_messages(tx: Transaction, queue_id: int, limit: int) -> int:
    removed: list[int] = []
    oldest = tx.rows(Q.matching, queue_id, 0, MAX_ID, limit, None, *flags(ALL))
    for message_id, state in in_one_turn(tx, Found([(id, state) for id, state, _ in oldest], None)).messages:
        for _, _, attempts in tx.returning(Q.remove, message_id, queue_id, state, MAX_ID):
            removed.append(message_id)
            if attempts:
                tx.change(HOT.forget_failures, queue_id, message_id)
            if state == State.LEASED:
                tx.outcome.ended.append(receipt_text(queue_id, message_id, attempts))
    contents.forget(tx, queue_id, removed)
    if removed:
        tx.change(history.Q.forget_events, json_ids(removed))
    return len(removed)


def _sweep_queue(tx: Transaction, queue_id: int) -> int:
    tx.change(Q.remove_counts, queue_id)
    tx.outcome.event(events.REMOVED, queue_id)
    return tx.change(Q.remove_queue, queue_id)
