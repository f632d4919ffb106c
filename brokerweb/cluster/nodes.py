"""A node's heartbeat, as verbs."""

from __future__ import annotations

from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.cluster", "nodes.sql")

EMBEDDED = "node-1"  # the only node there is


def last_seen(tx: Transaction) -> int | None:
    """When a node was last alive; None before the first start."""
    seen: int | None = tx.value(Q.last_seen)
    return seen


def begin(tx: Transaction, name: str = EMBEDDED) -> None:
    """This node starts now."""
    tx.change(Q.begin, name, tx.now)


def see(tx: Transaction, name: str = EMBEDDED) -> None:
    """This node is alive."""
    tx.change(Q.see, name, tx.now)
