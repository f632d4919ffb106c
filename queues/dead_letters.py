"""How messages become dead, or are dropped: the counts, the key, the event, and why, in one place."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core import events
from brokerweb.queues import counters, keys
from brokerweb.queues.definitions import Definition, Q
from brokerweb.queues.states import EXPIRED, State
from brokerweb.storage.transaction import Transaction


class Body(NamedTuple):
    """A message about to end, as the caller has just read it; ``held_key`` is its key if it is the head of one."""

    id: int
    state: int
    failures: int
    held_key: str | None = None
    attempts: int = 0


def bury(tx: Transaction, queue: Definition, body: Body, reason: str, error: str | None = None) -> None:
    """The message becomes dead with ``reason``; the next of its key follows."""
    if tx.change(Q.bury, body.id, body.state, tx.now, body.failures, reason, error):
        counters.moved(tx, queue.id, body.state, State.DEAD)
        tx.outcome.event(events.DEAD, queue.id)
        keys.leave(tx, queue.id, [body.held_key])


def expire(tx: Transaction, queue: Definition, body: Body, error: str | None = None) -> None:
    """The message is past its ttl: dropped, or dead where the queue says so."""
    tx.outcome.event(events.EXPIRED, queue.id)
    if queue.on_expire == "dead":
        bury(tx, queue, body, EXPIRED, error)
    elif tx.change(Q.remove, body.id):
        counters.count(tx, queue.id, body.state, -1)
        if body.attempts > 0:
            tx.change(Q.forget_failures, body.id)
        keys.leave(tx, queue.id, [body.held_key])
