"""What work on a message came to: written in the commit that settles the message, and kept for a while after that has gone.

A result is a document of whoever puts it, a JSON text, by the message's id. Queues whose messages have none cost nothing.
"""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.clock import seconds
from brokerweb.queues.messages import json_ids
from brokerweb.storage import disk
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues", "results.sql")
LIMIT = 200  # results of one turn
AGAIN = 86_400.0  # seconds after which one whose message is still there is looked at again


class Result(NamedTuple):
    """``finished`` is the wall's instant at which the message was settled for good; ``token`` is its correlation id."""

    message_id: int
    queue_id: int
    token: str | None
    finished: int | None
    document: str


class Loss(NamedTuple):
    """A lease that ended without a word of its holder; ``at`` is an instant of the wall."""

    attempt: int
    kind: str
    holder: str | None
    at: int


def put(tx: Transaction, result: Result, keep: float) -> None:
    """Store it, in the place of what was stored before. It stays for ``keep`` seconds, and as long as its message is there.

    Where next to nothing is free on the disk it is not stored: settling comes first.
    """
    if disk.of().low:
        return
    tx.later(Q.put, *result[:4], tx.now + seconds(keep), result.document)


def of(reads: Reads, message_id: int) -> Result | None:
    """What was stored of a message."""
    row = reads.row(Q.of, message_id)
    return None if row is None else Result(*row)


def known(reads: Reads, queue_id: int, message_id: int) -> bool:
    """Whether something is stored of a message that was settled in that queue last."""
    found = of(reads, message_id)
    return found is not None and found.queue_id == queue_id


def losses(reads: Reads, queue_id: int, message_id: int) -> list[Loss]:
    """The leases of a message that is there still that were lost, by attempt, as far as they are remembered."""
    return [Loss(*row) for row in reads.rows(Q.losses, message_id, queue_id)]


def drop(tx: Transaction, message_id: int) -> bool:
    """It is gone, at once; False where there was none."""
    return bool(tx.change(Q.drop, json_ids([message_id])))


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """A duty: results that were kept long enough go; how many it looked at, ``limit`` where there may be more."""
    old = tx.rows(Q.old_results, tx.now, limit)
    alive = [id for id, alive in old if alive]
    gone = [id for id, alive in old if not alive]
    if alive:
        tx.change(Q.postpone, json_ids(alive), tx.now + seconds(AGAIN))
    if gone:
        tx.change(Q.drop, json_ids(gone))
    return len(old)
