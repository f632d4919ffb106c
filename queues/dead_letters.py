"""How messages become dead, or are dropped: the counts, the key, the event, and why, in one place."""

from __future__ import annotations

from brokerweb.core import events
from brokerweb.queues import counters, keys
from brokerweb.queues.definitions import Definition, Q
from brokerweb.queues.rows import Ending
from brokerweb.queues.states import EXPIRED, State
from brokerweb.storage.transaction import Transaction


def bury(tx: Transaction, queue: Definition, ending: Ending, reason: str, error: str | None = None) -> bool:
    """The message becomes dead with ``reason``, and the next of its key follows; False if it is no longer as it was read."""
    if not tx.change(Q.bury, ending.id, ending.state, tx.now, ending.failures, reason, error):
        return False
    counters.moved(tx, queue.id, ending.state, State.DEAD)
    tx.outcome.event(events.DEAD, queue.id)
    keys.leave(tx, queue.id, [ending.held_key])
    return True


def expire(tx: Transaction, queue: Definition, ending: Ending, error: str | None = None) -> None:
    """The message is past its ttl: dropped, or dead where the queue says so."""
    if queue.on_expire == "dead":
        tx.outcome.event(events.EXPIRED, queue.id, int(bury(tx, queue, ending, EXPIRED, error)))
    elif tx.change(Q.remove, ending.id, ending.state):
        tx.outcome.event(events.EXPIRED, queue.id)
        counters.count(tx, queue.id, ending.state, -1)
        if ending.attempts > 0:
            tx.change(Q.forget_failures, ending.id)
        keys.leave(tx, queue.id, [ending.held_key])
