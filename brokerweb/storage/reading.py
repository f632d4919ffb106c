"""Reading outside of transactions: each statement sees what is committed when it runs, and waits for no writer.

The event loop reads on a few threads of its own, so that a long read holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core.errors import BrokerError, Unavailable
from brokerweb.storage.base import Dialect
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import DIALECTS

T = TypeVar("T")
THREADS = 2
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="reader")


class Reads(Protocol):
    """Whatever can read: a transaction, or a reader outside of one."""

    def rows(self, statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
        """All rows."""

    def row(self, statement: Statement, *args: Any) -> tuple[Any, ...] | None:
        """The first row."""

    def scan(self, statement: Statement, *args: Any) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, for a caller that stops early."""


class Reader:
    """Runs named statements that read."""

    __slots__ = ("dialect", "raw")

    def __init__(self, raw: Any, dialect: Dialect) -> None:
        self.raw, self.dialect = raw, dialect

    def rows(self, statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
        return self.dialect.run(self.raw, statement, args).fetchall()  # type: ignore[no-any-return]

    def row(self, statement: Statement, *args: Any) -> tuple[Any, ...] | None:
        return self.dialect.run(self.raw, statement, args).fetchone()  # type: ignore[no-any-return]

    def scan(self, statement: Statement, *args: Any) -> Iterator[tuple[Any, ...]]:
        return self.dialect.run(self.raw, statement, args)  # type: ignore[no-any-return]


def read(call: Callable[..., T], *args: Any, using: str = DEFAULT_DB_ALIAS) -> T:
    """``call(reader, *args)`` on this thread's connection. Raises BrokerError."""
    connection = connections[using]
    dialect = DIALECTS.get(connection.vendor)
    if dialect is None:
        raise Unavailable(f"There is no dialect for {connection.vendor}.")
    try:
        connection.ensure_connection()
        return call(Reader(connection.connection, dialect), *args)
    except BrokerError:
        raise
    except Exception as error:
        known = dialect.translate(error)
        if known is None:
            raise
        raise known from error


async def aread(call: Callable[..., T], *args: Any) -> T:
    """``read`` from the event loop, on a reader's thread."""
    return await asyncio.get_running_loop().run_in_executor(_executor, read, call, *args)
