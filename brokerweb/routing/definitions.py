"""A topic as the verbs need it: its row looked up once per transaction, its bindings once per version of them."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core import remembered
from brokerweb.core.errors import NotFound
from brokerweb.routing.bindings import Binding, Table
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.routing")
REMEMBERED_TABLES = 128
_tables: dict[int, Table] = {}  # by version, which no two sets of bindings share
remembered.of_store(_tables.clear)


class Definition(NamedTuple):
    """The columns of ``find_topic``, and the bindings."""

    id: int
    name: str
    unrouted: str
    dedup_window: float
    version: int
    table: Table


def load(reads: Reads, name: str) -> Definition:
    """The topic of that name, read now. Raises NotFound."""
    row = reads.row(Q.find_topic, name)
    if row is None:
        raise NotFound(f"There is no topic {name}.")
    id, name, unrouted, dedup_window, version = row
    return Definition(id, name, unrouted, dedup_window, version, _table(reads, id, version))


def find(tx: Transaction, name: str) -> Definition:
    """The topic of that name, read once a transaction. Raises NotFound."""
    key = ("topic", name)
    if key not in tx.memo:
        tx.memo[key] = load(tx, name)
    return tx.memo[key]


def forget(tx: Transaction, name: str) -> None:
    """The topic changed in this transaction: it is read again when it is next asked for."""
    tx.memo.pop(("topic", name), None)


def _table(reads: Reads, topic_id: int, version: int) -> Table:
    found = _tables.get(version)
    if found is None:
        found = Table([Binding(*row) for row in reads.rows(Q.bindings, topic_id)])
        if len(_tables) >= REMEMBERED_TABLES:
            _tables.clear()
        _tables[version] = found
    return found
