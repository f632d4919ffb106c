"""Has anybody else written? SQLite can be asked; on PostgreSQL those who wrote say so (``brokerweb.wakeups``)."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.transaction import Transaction

_last: dict[int, int] = {}  # connection -> the version it last saw


def show(using: str = DEFAULT_DB_ALIAS) -> bool:
    """Whether the database can be asked for them."""
    return dialect_of(connections[using]).single_writer


def foreign_commits(tx: Transaction) -> bool:
    """Whether another connection has committed since this one last asked; always so where that cannot be told."""
    version = tx.dialect.version(tx.raw)
    if version is None:
        return True
    known = _last.get(id(tx.raw))
    _last[id(tx.raw)] = version
    return known != version
