"""A node's heartbeat, as verbs."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core import machine
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


def last_seen(tx: Transaction) -> Seen | None:
    """The node that was alive last; None before the first start."""
    row = tx.row(Q.last_seen)
    return Seen(*row) if row else None


def begin(tx: Transaction, name: str = EMBEDDED) -> None:
    """This node starts now."""
    tx.change(Q.begin, name, tx.now, tx.wall, machine.boot(), machine.up())


def see(tx: Transaction, name: str = EMBEDDED) -> None:
    """This node is alive."""
    tx.change(Q.see, name, tx.now, machine.up())
