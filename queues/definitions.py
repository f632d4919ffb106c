"""A queue's settings as the verbs need them, looked up once per transaction.

Of several writers whoever looks a queue up shares it (``Lock.QUEUE``) until the transaction ends: it is not deleted for good,
and what only changes while nobody acts on it stays as it was read. ADR 0027 says what locks what.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from brokerweb.core import remembered
from brokerweb.core.backoff import Backoff
from brokerweb.core.errors import NotFound
from brokerweb.storage.locks import Lock
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
    history: str = "failures"
    keep_settled: float = 0
    keep_history: float = 0
    search: str | None = None  # the declared fields; None for none

    @property
    def full(self) -> bool:
        """Whether everything that happens to its messages is written down."""
        return self.history == "full"

    @property
    def backoff(self) -> Backoff:
        return Backoff(self.backoff_initial, self.backoff_factor, self.backoff_max, self.backoff_jitter)


def find(tx: Transaction, name: str) -> Definition:
    """The queue of that name. Raises NotFound."""
    # A name that begins with a dot is the broker's own: a shared group's queue, or a deleted one.
    found: Definition | None = tx.memo.get(name)
    if found is None and not name.startswith("."):
        found = _kept(tx, name) or _read(tx, name)
    if found is None:
        raise NotFound(f"There is no queue {name}.")
    return found


def _read(tx: Transaction, name: str) -> Definition | None:
    row = _named(tx, name)
    return None if row is None else remember(tx, Definition(*row))


def _named(tx: Transaction, name: str) -> tuple[Any, ...] | None:
    if tx.dialect.single_writer:
        return tx.row(Q.find_queue, name)
    # Locked before it is read, by the id that it had when it was last asked for. What it is by then may be another's.
    id = ids.get(name)
    while id is None or (row := _shared(tx, id)) is None or row[1] != name:
        id = tx.value(Q.id_of_queue, name)
        if id is None:
            ids.pop(name, None)
            return None
    if len(ids) >= MAX_IDS:
        ids.clear()
    ids[name] = id
    return row


MAX_IDS = 20_000
ids: dict[str, int] = {}  # by name, of queues that were found in this process: a guess, which the row confirms
rows: dict[int, tuple[Any, ...]] = {}  # by id, as they were then: a guess, which the row as it is now confirms before the commit
remembered.of_store(ids.clear)
remembered.of_store(rows.clear)


def find_by_id(tx: Transaction, queue_id: int) -> Definition | None:
    """The queue of that id; None when it was deleted, or never was."""
    key = ("queue", queue_id)
    found: Definition | None = tx.memo.get(key) or _kept(tx, key)
    if found is None:
        row = _shared(tx, queue_id)
        found = None if row is None else remember(tx, Definition(*row))
    return found


def _kept(tx: Transaction, key: object) -> Definition | None:
    """The queue as an earlier transaction found it, where it is still so."""
    found: Definition | None = None if tx.kept is None else tx.kept.get(key)
    if found is not None:
        tx.memo[found.name] = tx.memo["queue", found.id] = found
    return found


def _shared(tx: Transaction, queue_id: int) -> tuple[Any, ...] | None:
    if tx.dialect.single_writer:
        return tx.row(Q.find_queue_by_id, queue_id)
    tx.share(Lock.QUEUE, queue_id)
    row = tx.foreseen(rows.get(queue_id), Q.find_queue_by_id, queue_id)
    if row is None:
        rows.pop(queue_id, None)
    else:
        if len(rows) >= MAX_IDS:
            rows.clear()
        rows[queue_id] = row
    return row


def find_alone(tx: Transaction, name: str) -> Definition:
    """``find``, and nobody else acts on the queue until this transaction ends. Raises NotFound."""
    while not tx.dialect.single_writer and (id := tx.value(Q.id_of_queue, name)) is not None:
        tx.alone(Lock.QUEUE, id)
        tx.memo.pop(name, None)
        tx.memo.pop(("queue", id), None)
        found = find_by_id(tx, id)
        if found is not None and found.name == name:
            return found
    return find(tx, name)


def find_in_order(tx: Transaction, *queues: str | int) -> None:
    """Look up queues by name or id, as far as they are there, and take their turns, before each is looked up by itself.

    In the order of their ids, so that two who need the same ones do not wait for each other.
    """
    if tx.dialect.single_writer:
        return
    own = [queue for queue in queues if isinstance(queue, int) or not queue.startswith(".")]  # as ``find`` has it
    ids = {tx.value(Q.id_of_queue, queue) if isinstance(queue, str) else queue for queue in own}
    for id in sorted(id for id in ids if id is not None):
        if (queue := find_by_id(tx, id)) is not None:
            take_turn(tx, queue)


def take_turn(tx: Transaction, queue: Definition) -> Definition:
    """Where keys or a limit order what happens to the queue, it happens one after the other. Before any of its rows.

    Not in a caller's own transaction, which may last: there keys are joined later (``keys.py``), and limits are counted without.
    """
    if (queue.keyed or queue.max_length is not None) and not tx.lasting:
        tx.alone(Lock.TURN, queue.id)
    return queue


def remember(tx: Transaction, found: Definition) -> Definition:
    tx.memo[found.name] = tx.memo["queue", found.id] = found
    if tx.kept is not None:
        tx.kept[found.name] = tx.kept["queue", found.id] = found
    return found


def forget(tx: Transaction, found_id: int, name: str) -> None:
    """The definition changed in this transaction: it is read again when it is next asked for."""
    tx.memo.pop(name, None)
    tx.memo.pop(("queue", found_id), None)
    tx.changes_lookups()
    tx.outcome.changed.add(found_id)
