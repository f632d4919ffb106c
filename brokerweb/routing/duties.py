"""What routing must do by itself, in small bounded steps."""

from __future__ import annotations

from brokerweb.routing.definitions import Q
from brokerweb.storage.transaction import Transaction

LIMIT = 200


def forget(tx: Transaction, limit: int = LIMIT) -> int:
    """Drop what topics and transactions remember past its time; how many rows, ``limit`` or more when there may be others."""
    return tx.change(Q.forget, tx.now, limit) + tx.change(Q.forget_transacted, tx.now, limit)
