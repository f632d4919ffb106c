"""Has anybody else written? SQLite's ``data_version`` changes for a connection when another one has committed."""

from __future__ import annotations

from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.storage", "changes.sql")
_last: dict[int, int] = {}  # connection -> the version it last saw


def foreign_commits(tx: Transaction) -> bool:
    """Whether another connection has committed since this one last asked; always so where that cannot be told."""
    if tx.dialect.name != "sqlite":
        return True
    version: int = tx.value(Q.data_version)
    known = _last.get(id(tx.raw))
    _last[id(tx.raw)] = version
    return known != version
