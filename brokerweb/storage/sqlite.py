"""SQLite: one writer, statements are function calls, one clock for the one process that serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import django.db
import pysqlite3.dbapi2 as pysqlite3

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, StoreFull, Unavailable
from brokerweb.storage.statements import Statement

_ERRORS = (pysqlite3.Error, sqlite3.Error, django.db.Error)
AT_ONCE = (50, 8)  # rows a statement: few sizes, so that SQLite finds its compiled statements again
_FULL = ("disk is full", "SQLITE_FULL")


class SQLite:
    """The dialect of both the fixed SQLite engine and, where its version allows, Django's stock one."""

    name = "sqlite"
    one_writer = True

    def now(self, raw: Any) -> int:
        return clock.now()

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        return raw.execute(statement.text["sqlite"], args)

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        # Many rows a statement where it takes them: every step of a statement gives the interpreter lock away, and beside a
        # busy loop it comes back late.
        changed, start = 0, 0
        if isinstance(rows, list) and statement.repeats:
            for size in AT_ONCE:
                while len(rows) - start >= size:
                    values = list(chain.from_iterable(rows[start : start + size]))
                    changed += raw.execute(statement.repeated(size), values).rowcount
                    start += size
            rows = rows[start:] if start else rows
        rest: int = raw.executemany(statement.text["sqlite"], rows).rowcount
        return changed + max(0, rest)  # -1 when there is nothing left to run

    def run_each(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        # A loop: its row counts are the answers, and RETURNING for all at once costs more than it saves.
        execute, text = raw.cursor().execute, statement.text["sqlite"]
        return [execute(text, row).rowcount for row in rows]

    def slot(self, raw: Any) -> int:
        return 0

    def translate(self, error: Exception) -> BrokerError | None:
        if not isinstance(error, _ERRORS):
            return None
        if any(mark in str(error) for mark in _FULL):
            return StoreFull()
        return Unavailable(f"The store did not take it: {error}")
