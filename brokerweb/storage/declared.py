"""Who declares, changes or deletes what has a name does so alone: what was read of it is so still at the commit."""

from __future__ import annotations

from brokerweb.storage.locks import Lock, number_of
from brokerweb.storage.transaction import Transaction


def declaring(tx: Transaction, kind: str, *names: str) -> None:
    """Until the commit nobody else declares, changes or deletes that; ``names`` are the stream's and its own for a group."""
    tx.alone(Lock.DECLARED, number_of(kind, *names))
