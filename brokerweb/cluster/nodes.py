"""A node's heartbeat, as verbs."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core import machine
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.cluster", "nodes.sql")

EMBEDDED = "node-1"  # the only node there is


class Seen(NamedTuple):
    """When a node was last alive, and how long its machine had been up by then."""

    at: int
    boot: str | None
    up: int

    @property
    def elapsed(self) -> int | None:
        """How long ago that was; None where the machine was started since, or tells nothing."""
        ago = machine.up() - self.up
        return ago if self.boot is not None and self.boot == machine.boot() and ago >= 0 else None


def last_seen(tx: Reads) -> Seen | None:
    """The node that was alive last; None before the first start."""
    row = tx.row(Q.last_seen)
    return Seen(*row) if row else None


def nodes(tx: Reads) -> list[tuple[str, Seen]]:
    """The presence of each node, empty for one that has ended well, and when it was last seen."""
    return [(presence, Seen(*seen)) for presence, *seen in tx.rows(Q.nodes)]


def begin(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node starts now; the instant that was stored."""
    tx.change(Q.begin, name, presence, tx.now, tx.wall, machine.boot(), machine.up())
    return tx.now


def see(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int | None:
    """This node is alive; the instant that was stored. None where another has begun in its place."""
    return tx.now if tx.change(Q.see, name, presence, tx.now, machine.up()) else None


def end(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node has ended of its own will; the instant that was stored."""
    tx.change(Q.end, name, presence, tx.now, machine.up())
    return tx.now
