"""Who declares, changes or deletes what has a name does so alone: what was read of it is so still at the commit."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.locks import Lock, number_of
from brokerweb.storage.transaction import Transaction


def declaring(tx: Transaction, kind: str, *names: str) -> None:
    """Until the commit nobody else declares, changes or deletes that; ``names`` are the stream's and its own for a group."""
    tx.alone(Lock.DECLARED, number_of(kind, *names))


def declaring_here(kind: str, *names: str) -> None:
    """The same until the end of Django's own transaction, in which the caller is."""
    connection = connections[DEFAULT_DB_ALIAS]
    dialect_of(connection).lock(connection.connection, Lock.DECLARED, [number_of(kind, *names)], alone=True)
