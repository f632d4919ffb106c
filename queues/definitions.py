"""A queue's settings as the verbs need them, looked up once per transaction."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.backoff import Backoff
from brokerweb.core.errors import NotFound
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues")


class Definition(NamedTuple):
    """The columns of ``find_queue``, in its order."""

    id: int
    name: str
    lease: float
    max_failures: int | None
    backoff_initial: float
    backoff_factor: float
    backoff_max: float
    backoff_jitter: float
    keyed: bool
    ttl: float | None
    on_expire: str
    max_length: int | None
    overflow: str
    dedup_window: float
    max_body_bytes: int
    paused_at: int | None
    stream: str | None = None  # whose records it leases, for the queue of a shared consumer group
    search: str | None = None  # the declared fields; None for none

    @property
    def backoff(self) -> Backoff:
        return Backoff(self.backoff_initial, self.backoff_factor, self.backoff_max, self.backoff_jitter)


def find(tx: Transaction, name: str) -> Definition:
    """The queue of that name. Raises NotFound."""
    found = tx.memo.get(name)
    if found is None:
        # A name that begins with a dot is the broker's own: a shared group's queue, or a deleted one.
        row = None if name.startswith(".") else tx.row(Q.find_queue, name)
        if row is None:
            raise NotFound(f"There is no queue {name}.")
        found = remember(tx, Definition(*row))
    return found


def find_by_id(tx: Transaction, queue_id: int) -> Definition | None:
    """The queue of that id; None when it was deleted, or never was."""
    key = ("queue", queue_id)
    if key not in tx.memo:
        row = tx.row(Q.find_queue_by_id, queue_id)
        if row is None:
            return None
        remember(tx, Definition(*row))
    return tx.memo[key]  # type: ignore[no-any-return]


def remember(tx: Transaction, found: Definition) -> Definition:
    tx.memo[found.name] = tx.memo["queue", found.id] = found
    return found


def forget(tx: Transaction, found_id: int, name: str) -> None:
    """The definition changed in this transaction: it is read again when it is next asked for."""
    tx.memo.pop(name, None)
    tx.memo.pop(("queue", found_id), None)
    tx.outcome.changed.add(found_id)
