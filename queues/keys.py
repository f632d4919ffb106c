"""Keyed queues: one message of a key at a time, in publish order.

The head of a key (ready, leased, or backing off) has ``holds_key``; a unique index allows no second. Everyone else of the
key is blocked. Whoever ends a head calls ``leave`` in the same transaction, after the row has changed.

Of several writers those who join a key and those who leave it must see each other: who joined while the head is about to go
would see it, be blocked, and not be seen by who lets the next one follow. They take turns at the queue (``Lock.TURN``), and look
in a statement of its own after that. A caller's own transaction, which may last, keeps no turn: there whoever joins is blocked,
and the keys are left after the caller's commit.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from msgspec.json import encode

from brokerweb.queues import counters
from brokerweb.queues.definitions import Q, find_by_id
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.states import State
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction


def enter(tx: Transaction, queue_id: int, key: str | None) -> tuple[State, bool]:
    """(state, holds_key) of a message that joins the end of its key now; without a key it is simply ready."""
    if key is None:
        return State.READY, False
    return (State.READY, True) if free(tx, queue_id, [key]) else (State.BLOCKED, False)


def free(tx: Transaction, queue_id: int, keys: Collection[str]) -> set[str]:
    """Those of these keys that nobody holds: who joins one now is its head."""
    if tx.dialect.single_writer:
        return {key for key in keys if _is_free(tx, queue_id, key)}
    if not keys:
        return set()
    if tx.lasting:
        _later(tx, queue_id, keys)
        return set()
    tx.alone(Lock.TURN, queue_id)
    return set(keys) - {key for (key,) in tx.rows(Q.keys_taken, queue_id, encode(sorted(keys)).decode())}


def _is_free(tx: Transaction, queue_id: int, key: str) -> bool:
    # A key without holder may still have blocked messages within this transaction; they were there first.
    return tx.row(Q.key_taken, queue_id, key) is None and tx.row(Q.next_of_key, queue_id, key) is None


def leave(tx: Transaction, queue_id: int, keys: Iterable[str | None]) -> None:
    """Heads of these keys have ended or left: the next of each becomes ready. Harmless for a key that is held."""
    left = sorted({key for key in keys if key is not None})
    if not left:
        return
    if tx.lasting and not tx.dialect.single_writer:
        _later(tx, queue_id, left)
        return
    tx.alone(Lock.TURN, queue_id)
    n = sum(tx.change_each(Q.unblock, [(queue_id, key, tx.now) for key in left]))
    if n:
        counters.moved(tx, queue_id, State.BLOCKED, State.READY, n)
        became_ready(tx, queue_id)


class _Later:
    """Keys that are left after the commit of a caller's own transaction. Should that not come to pass, the sweep finds them."""

    def __init__(self) -> None:
        self.by_queue: dict[int, set[str]] = {}

    def flush(self, tx: Transaction) -> None:
        for queue_id, keys in self.by_queue.items():
            tx.afterwards(_leave_later, queue_id, sorted(keys))
        self.by_queue = {}


def _later(tx: Transaction, queue_id: int, keys: Iterable[str]) -> None:
    tx.gathered(_Later).by_queue.setdefault(queue_id, set()).update(keys)


def _leave_later(tx: Transaction, queue_id: int, keys: Iterable[str]) -> None:
    if find_by_id(tx, queue_id) is not None:
        leave(tx, queue_id, keys)
