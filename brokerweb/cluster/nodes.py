"""A node's heartbeat, and what nodes that share a database tell each other, as verbs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.cluster.here import EMBEDDED
from brokerweb.core import clock, machine
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.cluster", "nodes.sql")

SILENT = 6.0  # seconds without a heartbeat after which what a node told does not count any more
KEPT = 3600.0  # seconds a node is shown that has fallen silent


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


class Running(NamedTuple):
    """A node that has not ended, as far as is known."""

    name: str
    presence: str
    started_at: int
    seen_at: int
    told: str

    def silent(self, now: int) -> bool:
        """Whether it has not been heard of for too long."""
        return self.seen_at <= alive_since(now)


def alive_since(now: int) -> int:
    """Since when a node must have been seen to count as alive."""
    return now - clock.seconds(SILENT)


def last_seen(tx: Reads) -> Seen | None:
    """The node that was alive last; None before the first start."""
    row = tx.row(Q.last_seen)
    return Seen(*row) if row else None


def nodes(tx: Reads) -> list[tuple[str, Seen]]:
    """The presence of each node, empty for one that has ended well, and when it was last seen."""
    return [(presence, Seen(*seen)) for presence, *seen in tx.rows(Q.nodes)]


def running(tx: Reads) -> list[Running]:
    """The nodes that have not ended, by name; those that have fallen silent among them."""
    return [Running(*row) for row in tx.rows(Q.running)]


def alive(tx: Reads) -> list[Running]:
    """Those of them that are there, by the clock of the database that they share; for processes that are no node, too."""
    now, _ = tx.dialect.instants(tx.raw)
    return [node for node in running(tx) if not node.silent(now)]


def begin(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node starts now; the instant that was stored."""
    tx.change(Q.begin, name, presence, tx.now, tx.wall, machine.boot(), machine.up())
    return tx.now


def see(tx: Transaction, presence: str = "", name: str = EMBEDDED, told: str = "") -> int | None:
    """This node is alive; the instant that was stored. None where another has begun in its place."""
    return tx.now if tx.change(Q.see, name, presence, tx.now, machine.up(), told) else None


def end(tx: Transaction, presence: str = "", name: str = EMBEDDED) -> int:
    """This node has ended of its own will; the instant that was stored."""
    tx.change(Q.end, name, presence, tx.now, machine.up())
    return tx.now


def bury(tx: Transaction, gone: Running) -> bool:
    """That node is not there any more; False where it was seen since it was looked at."""
    return bool(tx.change(Q.bury, gone.name, gone.presence, gone.seen_at))


def forget(tx: Transaction, name: str) -> None:
    """What a node told that has gone."""
    tx.change(Q.forget_report, name)
    tx.change(Q.forget_connected, name)


def forget_gone(tx: Transaction) -> int:
    """Nodes that nobody has seen for long are shown no more, and nothing of theirs is kept; how many those were."""
    before = tx.now - clock.seconds(KEPT)
    gone = [name for (name,) in tx.rows(Q.gone_nodes, before)]
    for name in gone:
        if tx.change(Q.forget_node, name, before):
            forget(tx, name)
    return len(gone)


# What goes on at other nodes


def report(tx: Transaction, name: str, told: str) -> None:
    """Tell the others what goes on at this node."""
    tx.change(Q.report, name, tx.now, told)


def connect(tx: Transaction, name: str, there: Sequence[tuple[str, int, str]], gone: Sequence[str]) -> None:
    """Tell the others of connections, as (id, messages held, description), and of those that are over."""
    tx.change_many(Q.connect, [(id, name, held, told) for id, held, told in there])
    tx.change_many(Q.disconnect, [(id,) for id in gone])


def close(tx: Transaction, connection: str) -> bool:
    """Its node is to close a connection; False where no node that is alive has it."""
    if tx.row(Q.connection, connection, alive_since(tx.now)) is None:
        return False
    tx.outcome.orders = True
    return bool(tx.change(Q.close, connection))


def closing(reads: Reads, name: str) -> list[str]:
    """The connections that a node is to close."""
    return [id for (id,) in reads.rows(Q.closing, name)]
