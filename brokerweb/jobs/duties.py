"""What must happen to jobs by itself, besides running them: those that ended long ago are forgotten, in small bounded steps."""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.jobs.destinations import Q
from brokerweb.storage.transaction import Transaction

LIMIT = 50  # each may have listed a thousand failures
KEPT = 1_000  # finished jobs, the last that ended
KEPT_FOR = clock.seconds(30 * 86_400)  # after their end


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop finished jobs that are too many or too old; how many rows, ``limit`` when there may be others."""
    found = tx.rows(Q.forgettable, clock.wall_at(tx.now - KEPT_FOR), KEPT, limit)
    for (id,) in found:
        tx.change(Q.forget_failed, id)
        tx.change(Q.forget, id)
    return len(found)
