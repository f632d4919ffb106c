"""Has anybody else written?"""

from __future__ import annotations

from brokerweb.storage.transaction import Transaction

_last: dict[int, int] = {}  # connection -> the version it last saw


def foreign_commits(tx: Transaction) -> bool:
    """Whether another connection has committed since this one last asked; always so where that cannot be told."""
    version = tx.dialect.version(tx.raw)
    if version is None:
        return True
    known = _last.get(id(tx.raw))
    _last[id(tx.raw)] = version
    return known != version
