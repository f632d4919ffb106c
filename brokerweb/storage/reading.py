"""Reading outside of transactions: each statement sees what is committed when it runs, and waits for no writer.

The event loop reads on a few threads of its own, so that a long read holds nobody up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core.errors import BrokerError
from brokerweb.storage.base import Dialect, Failure
from brokerweb.storage.dedicated import dedicate
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.statements import Statement

T = TypeVar("T")
THREADS = 2
_executor = ThreadPoolExecutor(THREADS, thread_name_prefix="reader", initializer=dedicate)


class Reads:
    """Runs named statements that read. ``raw`` is the driver's connection."""

    __slots__ = ("dialect", "raw")

    def __init__(self, raw: Any, dialect: Dialect) -> None:
        self.raw, self.dialect = raw, dialect

    def rows(self, statement: Statement, *args: Any) -> list[tuple[Any, ...]]:
        """All rows."""
        return self.dialect.run(self.raw, statement, args).fetchall()

    def row(self, statement: Statement, *args: Any) -> tuple[Any, ...] | None:
        """The first row."""
        return self.dialect.run(self.raw, statement, args).fetchone()

    def value(self, statement: Statement, *args: Any) -> Any:
        """The first row's only column; None where there is no row."""
        row = self.dialect.run(self.raw, statement, args).fetchone()
        return None if row is None else row[0]

    def scan(self, statement: Statement, *args: Any) -> Iterator[tuple[Any, ...]]:
        """Rows one by one, for a caller that stops early."""
        return self.dialect.scan(self.raw, statement, args)


class Reader(Reads):
    """Reads outside of a transaction."""

    __slots__ = ()


@contextmanager
def snapshot(reads: Reads) -> Iterator[None]:
    """Statements within it see one state of the store. For few and short ones: what they see is kept meanwhile."""
    with reads.dialect.snapshot(reads.raw):
        yield


def despite_damage(dialect: Dialect, raw: Any, call: Callable[[], T]) -> T:
    """``call()``, and once more where it met a text that is none: what that belongs to is then seen to be damaged."""
    try:
        return call()
    except Exception as error:
        if not dialect.garbled(error):
            raise
    with dialect.lenient(raw):
        return call()


@contextmanager
def lenient(using: str = DEFAULT_DB_ALIAS) -> Iterator[None]:
    """For rows that Django's ORM reads on this thread's connection meanwhile: those with texts that are none, too."""
    connection = connections[using]
    connection.ensure_connection()
    with dialect_of(connection).lenient(connection.connection):
        yield


def read(call: Callable[..., T], *args: Any, using: str = DEFAULT_DB_ALIAS) -> T:
    """``call(reader, *args)`` on this thread's connection; once more on a new one where that had ended. Raises BrokerError."""
    connection = connections[using]
    dialect = dialect_of(connection)
    for last in (False, True):
        try:
            connection.ensure_connection()
            return despite_damage(dialect, connection.connection, lambda: call(Reader(connection.connection, dialect), *args))
        except BrokerError:
            raise
        except Exception as error:
            known = dialect.translate(error)
            if known is None:
                raise
            if last or connection.in_atomic_block or dialect.failure(error) is not Failure.LOST:
                raise known from error
        connection.close()
    raise AssertionError


async def aread(call: Callable[..., T], *args: Any) -> T:
    """``read`` from the event loop, on a reader's thread."""
    return await asyncio.get_running_loop().run_in_executor(_executor, read, call, *args)
