"""A node's heartbeat, as verbs."""

from __future__ import annotations

from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.cluster", "nodes.sql")

EMBEDDED = "node-1"  # the only node there is


def last_seen(tx: Reads) -> int | None:
    """When a node was last alive; None before the first start."""
    seen: int | None = tx.value(Q.last_seen)
    return seen


def nodes(tx: Reads) -> list[tuple[str, int]]:
    """The presence of each node, empty for one that has ended well, and when it was last seen."""
    return [(presence, seen_at) for presence, seen_at in tx.rows(Q.nodes)]


def begin(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node starts now; the instant that was stored."""
    tx.change(Q.begin, name, presence, tx.now)
    return tx.now


def see(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int | None:
    """This node is alive; the instant that was stored. None where another has begun in its place."""
    return tx.now if tx.change(Q.see, name, presence, tx.now) else None


def end(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node has ended of its own will; the instant that was stored."""
    tx.change(Q.end, name, presence, tx.now)
    return tx.now
