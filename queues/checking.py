"""The sweep's part of queues: messages that nobody takes are looked at as well, and what is damaged is dead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core.checksums import Seen, intact
from brokerweb.queues import dead_letters
from brokerweb.queues.definitions import find_by_id
from brokerweb.queues.rows import Ending
from brokerweb.queues.selection import Q
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

WAITING = (State.SCHEDULED, State.READY, State.BLOCKED)


class Swept(NamedTuple):
    """A message of ``sweep``: how it stands, and what its checksum covers."""

    id: int
    queue_id: int
    state: int
    failures: int
    attempts: int
    holds_key: bool
    checksum: int
    key: str | None
    headers: str | None
    content_type: str | None
    binary: bool
    reply_to: str | None
    correlation_id: str | None
    body: bytes

    @property
    def intact(self) -> bool:
        return intact(self.id, self, self.checksum)

    def ending(self) -> Ending:
        return Ending(self.id, self.state, self.failures, self.key if self.holds_key else None, self.attempts)


def look(reads: Reads, after: int, most_bytes: int) -> Seen:
    """Check the messages after an id, as many as have ``most_bytes``; outside of any commit."""
    return Seen.of(map(Swept._make, reads.scan(Q.sweep, after, Seen.ROWS)), most_bytes)


def bury(tx: Transaction, ids: Sequence[int]) -> int:
    """Those of these that are damaged still, and wait, are dead; how many that were. Leased ones count when they return."""
    buried = 0
    for id in ids:
        found = tx.row(Q.sweep, id - 1, 1)
        queue = find_by_id(tx, found[1]) if found is not None and found[0] == id else None
        row = tx.row(Q.sweep_one, id, queue.id) if queue is not None else None
        message = None if row is None else Swept(*row)
        if queue is not None and message is not None and not message.intact and message.state in WAITING:
            buried += dead_letters.bury_damaged(tx, queue, message.ending())
    return buried
