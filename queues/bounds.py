"""Where claims begin: behind the places in which, for certain, nothing is ready. For several writers.

A claim walks the index of what is ready from its first entry. While a transaction of anybody's lasts, a dump or a report,
nothing takes away the entries of what has been leased since it began, and each claim passes all of them. So where dead rows
pile up (``look``), claims of a committer's connection begin at a position for each priority, its low, below which nothing is
ready *for the first time*. What comes back to its place, or comes to be ready there later, is ``returned``; a small index has
those, and a claim begins at the first of them if that is lower. ADR 0038 has why a low is right:

- The lowest position that a statement sees ready becomes a low once every transaction has ended that ran then. A transaction has
  its number before it takes positions (``Dialect.numbers``), so none can store a lower one after that. What those have stored
  meanwhile is looked for again, from the old low on. All that ran have numbers below that of a later transaction.
- What a transaction has seen counts once it is committed: of its own leases it is wrong should it be rolled back.
- Lows are the connection's, and end with it: a server that went back to an earlier state closes every connection.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import json_ids
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

PRIORITIES = 10
DEAD = 100_000  # dead rows of messages from which on lows are worth their while; VACUUM takes away half as many
EVERY, AT_MOST = 0.1, 3.2  # seconds from one look for higher lows to the next; and while older transactions do not end
QUEUES = 1000  # of which a connection knows lows

needed = False  # dead rows have piled up


def look(reads: Reads) -> None:
    """Find out whether dead rows have piled up."""
    global needed
    needed = (reads.value(Q.dead_rows) or 0) >= DEAD


class Bounds:
    """Of one queue, on one connection. ``lows`` are by priority, from the highest."""

    def __init__(self) -> None:
        self.lows = [0] * PRIORITIES
        self._seen: list[int] | None = None  # by the look before
        self._next: tuple[list[int], int] | None = None  # by an earlier one; lows, once all before that transaction have ended
        self._pause, self._due = EVERY, 0.0

    def look(self, tx: Transaction, queue_id: int) -> None:
        """Look for higher lows, if it is time, on the way with what follows; once a transaction."""
        now, key = time.monotonic(), ("bounds", queue_id)
        if now < self._due or key in tx.memo:
            return
        self._due, tx.memo[key] = now + self._pause, True
        # In this order: what is given after the last id was asked for is above it, and what was given before is seen, or running.
        last = tx.ask(Q.last_id)
        seen = tx.ask(Q.bounds, queue_id, self.text)
        tx.learnt(lambda: self._found(last()[0][0], seen()))

    @property
    def text(self) -> str:
        return json_ids(self.lows)

    def _found(self, last: int, seen: list[tuple[Any, ...]]) -> None:
        firsts = [last + 1 if first is None else first for _, _, first in seen]
        oldest, own, _ = seen[0]
        if self._next is not None:
            earlier, before = self._next
            if oldest < before:  # some of those run still
                self._pause = min(2 * self._pause, AT_MOST)
                return
            self.lows = [max(low, min(pair)) for low, *pair in zip(self.lows, earlier, firsts, strict=True)]
        self._next = None if self._seen is None else (self._seen, own)
        self._seen, self._pause = firsts, EVERY


def of(tx: Transaction, queue_id: int) -> Bounds | None:
    """Those of the queue on this connection, while they are worth their while."""
    if not needed or tx.lasting:
        return None
    kept: dict[Any, Any] | None = tx.dialect.keeping(tx.raw)
    if kept is None:
        return None
    found: dict[int, Bounds] = kept.setdefault(Bounds, {})
    if queue_id not in found:
        if len(found) >= QUEUES:
            found.clear()
        found[queue_id] = Bounds()
    return found[queue_id]


def claim(tx: Transaction, queue_id: int, *wanted: Any) -> list[tuple[Any, ...]]:
    """The rows of ``claim``."""
    bounds = of(tx, queue_id)
    if bounds is None:
        return tx.rows(Q.claim, queue_id, *wanted)
    bounds.look(tx, queue_id)
    return tx.rows(Q.claim_above, queue_id, *wanted, bounds.text)


def ask_any_ready(tx: Transaction, queue_id: int) -> Callable[[], list[tuple[Any, ...]]]:
    """The rows of ``any_ready``, when they are called for."""
    bounds = of(tx, queue_id)
    if bounds is None:
        return tx.ask(Q.any_ready, queue_id)
    bounds.look(tx, queue_id)
    return tx.ask(Q.any_ready_above, queue_id, bounds.text)
