"""How messages become dead, or are dropped, and how dead ones end: the counts, the key, the event, and why, in one place."""

from __future__ import annotations

import logging

from brokerweb.core import events
from brokerweb.queues import contents, counters, fields, fingerprints, history, kept, keys
from brokerweb.queues.definitions import Definition, Q
from brokerweb.queues.history import What
from brokerweb.queues.kept import End
from brokerweb.queues.rows import Ending, Waiting
from brokerweb.queues.selection import Q as OPERATORS
from brokerweb.queues.states import DAMAGED, EXPIRED, REJECTED, State
from brokerweb.storage.transaction import Transaction

log = logging.getLogger(__name__)


def bury(tx: Transaction, queue: Definition, ending: Ending, reason: str, error: str | None = None) -> bool:
    """The message becomes dead with ``reason``, and the next of its key follows; False if it is no longer as it was read."""
    told = tx.value(Q.last_error, ending.id, queue.id) if error is None and ending.attempts else error
    fingerprint = fingerprints.of(reason, told)
    if not tx.change(Q.bury, ending.id, queue.id, ending.state, tx.now, ending.failures, reason, error, fingerprint):
        return False
    counters.moved(tx, queue.id, ending.state, State.DEAD)
    tx.outcome.event(events.DEAD, queue.id)
    if queue.full or (reason == REJECTED and tx.by is not None):
        actor, holder = (tx.by, ending.holder) if reason == REJECTED else (None, None)
        what = What(history.DEAD, ending.attempts, actor, holder, error, history.said(reason=reason))
        history.note(tx, queue, [ending.id], what)
    keys.leave(tx, queue.id, [ending.held_key])
    return True


def bury_damaged(tx: Transaction, queue: Definition, ending: Ending) -> bool:
    """The message is not what was published: dead, and never handed out. False if it is no longer as it was read."""
    log.error("message %d of queue %s is damaged: its checksum does not match", ending.id, queue.name)
    buried = bury(tx, queue, ending, DAMAGED, "The checksum does not match: what is stored is not what was published.")
    tx.outcome.event(events.DAMAGED, queue.id, int(buried))
    return buried


def expire(tx: Transaction, queue: Definition, ending: Ending, error: str | None = None) -> None:
    """The message is past its ttl: dropped, or dead where the queue says so."""
    if queue.on_expire == "dead":
        tx.outcome.event(events.EXPIRED, queue.id, int(bury(tx, queue, ending, EXPIRED, error)))
    elif _removed(tx, queue, ending, End(kept.EXPIRED)):
        tx.outcome.event(events.EXPIRED, queue.id)
        keys.leave(tx, queue.id, [ending.held_key])


def discard(tx: Transaction, queue: Definition, message: Waiting) -> None:
    """A dead letter has been kept for as long as its queue says: it is gone, and counted as discarded."""
    if _removed(tx, queue, message.ending(), End(kept.DELETED, None, history.said(rule="dead_retention"))):
        tx.outcome.event(events.DISCARDED, queue.id)


def _removed(tx: Transaction, queue: Definition, ending: Ending, end: End) -> bool:
    """The message goes by a rule of its queue; False if it is no longer as it was read."""
    keeping = kept.keeps(queue)
    if keeping:
        kept.keep(tx, queue, [ending.id], ending.state, end)
    if not tx.change(Q.remove, ending.id, queue.id, ending.state):
        return False
    counters.count(tx, queue.id, ending.state, -1)
    if not keeping:
        contents.forget(tx, queue.id, [ending.id])
        if ending.attempts > 0:
            tx.change(Q.forget_failures, queue.id, ending.id)
    if queue.search is not None:
        fields.forget(tx, queue.id, [ending.id])
    if queue.full:
        history.note(tx, queue, [ending.id], What(end.outcome, ending.attempts, detail=end.detail, ends=True))
    return True


def name_causes(tx: Transaction, limit: int) -> int:
    """Give dead letters of before there were fingerprints theirs; how many."""
    found = tx.rows(OPERATORS.nameless, limit)
    if found:
        tx.change_many(
            OPERATORS.name_cause, [(id, queue_id, fingerprints.of(reason, error)) for id, queue_id, reason, error in found]
        )
    return len(found)
