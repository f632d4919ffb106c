"""SQLite: one writer, statements are function calls, one clock for the one process that serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import django.db
import pysqlite3.dbapi2 as pysqlite3

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, StoreFull, Unavailable
from brokerweb.storage.statements import Statement

_ERRORS = (pysqlite3.Error, sqlite3.Error, django.db.Error)
_FULL = ("disk is full", "SQLITE_FULL")


class SQLite:
    """The dialect of both the fixed SQLite engine and, where its version allows, Django's stock one."""

    name = "sqlite"
    one_writer = True

    def now(self, raw: Any) -> int:
        return clock.now()

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        return raw.execute(statement.text["sqlite"], args)

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> Any:
        return raw.executemany(statement.text["sqlite"], rows)

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
