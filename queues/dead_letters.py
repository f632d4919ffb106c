"""How messages become dead, or are dropped, and how dead ones end: the counts, the key, the event, and why, in one place."""

from __future__ import annotations

import logging

from brokerweb.core import events
from brokerweb.queues import contents, counters, keys
from brokerweb.queues.definitions import Definition, Q
from brokerweb.queues.rows import Ending
from brokerweb.queues.states import DAMAGED, EXPIRED, State
from brokerweb.storage.transaction import Transaction

log = logging.getLogger(__name__)


def bury(tx: Transaction, queue: Definition, ending: Ending, reason: str, error: str | None = None) -> bool:
    """The message becomes dead with ``reason``, and the next of its key follows; False if it is no longer as it was read."""
    if not tx.change(Q.bury, ending.id, ending.state, tx.now, ending.failures, reason, error):
        return False
    counters.moved(tx, queue.id, ending.state, State.DEAD)
    tx.outcome.event(events.DEAD, queue.id)
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
    elif tx.change(Q.remove, ending.id, ending.state):
        contents.forget(tx, [ending.id])
        tx.outcome.event(events.EXPIRED, queue.id)
        counters.count(tx, queue.id, ending.state, -1)
        if ending.attempts > 0:
            tx.change(Q.forget_failures, ending.id)
        keys.leave(tx, queue.id, [ending.held_key])


def discard(tx: Transaction, queue_id: int, message_id: int) -> None:
    """A dead letter has been kept for as long as its queue says: it is gone, and counted as discarded."""
    if tx.change(Q.remove, message_id, State.DEAD):
        contents.forget(tx, [message_id])
        counters.count(tx, queue_id, State.DEAD, -1)
        tx.change(Q.forget_failures, message_id)
        tx.outcome.event(events.DISCARDED, queue_id)
