"""What must happen to jobs by itself, besides running them: those that ended long ago are forgotten, in small bounded steps."""

from __future__ import annotations

from brokerweb.core import clock
from brokerweb.jobs.chunks import Q
from brokerweb.storage.transaction import Transaction

LIMIT = 200
KEPT = 1_000  # finished jobs, the last that ended
KEPT_FOR = clock.seconds(30 * 86_400)  # after their end


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop finished jobs that are too many or too old; how many rows, ``limit`` when there may be others."""
    return tx.change(Q.forget, clock.wall_at(tx.now - KEPT_FOR), KEPT, limit)
