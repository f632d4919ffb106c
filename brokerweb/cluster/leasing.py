"""The lease of the cluster's duties: of several nodes one does what is to be done once. Where there is one node it always may.

A lease is a row with an end, by the database's clock. Its owner asks for more time with each heartbeat, and believes in it no
longer than it may have been given, by a clock that goes on while the process or the machine stands still: one that wakes up
finds that its time is over before it does anything. Between that look and the commit of what it does another may have taken
over: so every duty's verb looks once more at what it changes, and doing one twice harms nothing.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from brokerweb.cluster.nodes import Q
from brokerweb.core import clock
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

DUTIES = "duties"
LASTS = 4.0  # seconds from the last time it was asked for
MARGIN = 0.5  # of them that its owner does not count on: clocks of two machines do not go alike
STEADY = 1.0  # seconds after which an owner takes the silence of others for what it is
UNOWNED = 3.0  # seconds without an owner after which nobody seems to come

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Grant(NamedTuple):
    """Who has the lease, and for how many microseconds still."""

    node: str | None
    left: int


def renew(tx: Transaction, node: str, duty: str = DUTIES) -> Grant:
    """A verb: this node has the lease for some more time, or takes one that has ended; who has it now."""
    row = tx.row(Q.lease, duty)
    # One that lasts for longer than any was given is of a clock that was set back since, or of a server whose clock was ahead.
    if row is None or row[0] == node or not tx.now < row[1] <= tx.now + clock.seconds(2 * LASTS):
        tx.change(Q.take, duty, node, tx.now, tx.now + clock.seconds(LASTS))
        row = tx.row(Q.lease, duty)
    return Grant(None, 0) if row is None else Grant(row[0], row[1] - tx.now)


def give_up(tx: Transaction, node: str, duty: str = DUTIES) -> None:
    """A verb: this node wants it no more, and whoever asks next has it."""
    tx.change(Q.give_up, duty, node)


def owner(reads: Reads, now: int, duty: str = DUTIES) -> str | None:
    """Who has the lease; None where it has ended."""
    row = reads.row(Q.lease, duty)
    return row[0] if row is not None and row[1] > now else None


class Lease:
    """What a process knows of the lease. One that is not ``shared`` is always held."""

    def __init__(self, *, shared: bool) -> None:
        self.shared = shared
        self.node: str | None = None  # who has it, as was seen last
        self._until = self._since = self._seen_until = 0.0

    def noted(self, node: str, grant: Grant, asked_at: float) -> bool:
        """What ``renew`` answered to this ``node``, which asked at ``asked_at``, by ``ticks``; whether it has begun just now."""
        before, self.node = self.held, grant.node
        left = grant.left / clock.SECOND
        self._seen_until = ticks() + max(0.0, left)
        if grant.node != node:
            self._until = 0.0
            return False
        self._until = asked_at + left - MARGIN
        if not before:
            self._since = ticks()
        return not before

    def dropped(self) -> None:
        """This node has given it up."""
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this node may do the cluster's duties now."""
        return not self.shared or ticks() < self._until

    @property
    def steady(self) -> bool:
        """Whether it has been so for long enough that others, were they alive, would have been heard."""
        return not self.shared or (self.held and ticks() - self._since >= STEADY)

    @property
    def unowned(self) -> bool:
        """Whether the lease has ended, and nobody has taken it since for too long."""
        return self.shared and ticks() > self._seen_until + UNOWNED


_running: Lease | None = None


def install(lease: Lease | None) -> None:
    """This process's broker has that lease, or there is none here any more."""
    global _running
    _running = lease


def here() -> bool:
    """Whether what is to be done, or told, once in the cluster is this process's."""
    return _running is None or _running.held


def ticks() -> float:
    """Seconds by a clock that nothing stops."""
    return time.clock_gettime(_CLOCK)
