"""SQLite: one writer, statements are function calls, one clock for the one process that serves."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import chain
from typing import Any

import django.db

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError, StoreFull, Unavailable
from brokerweb.storage import damage, disk, locks
from brokerweb.storage.base import Failure
from brokerweb.storage.driver import sqlite as driver
from brokerweb.storage.statements import Statement
from brokerweb.storage.upkeep import Upkeep

_ERRORS = (driver.Error, sqlite3.Error, django.db.Error)
# Rows a statement: few sizes, so that the driver finds its compiled statements again, and any small number in one.
AT_ONCE = (100, 32, 16, 8, 4, 2, 1)
MANY = 32  # rows from which on it pays to look for what they have alike: each kind of likeness is a text of its own
_COMPARED = (int, bool, str)  # where looking costs little
_PLAIN: dict[type, type] = {bool: int, bytes: bytearray}
_FULL = ("disk is full", "SQLITE_FULL")


def _same(columns: Sequence[Sequence[Any]]) -> tuple[int, ...]:
    """Which columns have one value in all rows; never the first, so that each row has something of its own."""
    alike = (
        i for i, values in enumerate(columns) if i and type(values[0]) in _COMPARED and values.count(values[0]) == len(values)
    )
    return tuple(alike)


def _bound(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def _replaced(text: bytes) -> str:
    return text.decode(errors="replace")


class SQLite:
    """The dialect of both the fixed SQLite engine and, where its version allows, Django's stock one."""

    name = "sqlite"
    single_writer = True  # every transaction begins with BEGIN IMMEDIATE

    def instants(self, raw: Any) -> tuple[int, int]:
        return clock.instants()

    def on_wait(self, raw: Any, waited: Callable[[], None]) -> None:
        """Transactions begin with the one lock there is: nothing in them waits."""

    def run(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Any:
        return raw.execute(statement.text["sqlite"], args)

    def scan(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
        return raw.execute(statement.text["sqlite"], args)

    def ask(self, raw: Any, statement: Statement, args: Sequence[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        return lambda: raw.execute(statement.text["sqlite"], args).fetchall()

    def foresee(self, raw: Any, statement: Statement, args: Sequence[Any], fits: Callable[[Any], bool]) -> None:
        raise NotImplementedError

    def later(self, raw: Any, statement: Statement, rows: Sequence[Sequence[Any]]) -> None:
        if len(rows) == 1:
            raw.execute(statement.text["sqlite"], rows[0])
        else:
            self.run_many(raw, statement, rows)

    def run_many(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> int:
        if isinstance(rows, list) and rows and statement.repeats:
            return self.insert(raw, statement, list(zip(*rows, strict=True)))
        changed: int = raw.executemany(statement.text["sqlite"], rows).rowcount
        return max(0, changed)  # -1 when there was no row

    def insert(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> int:
        """Store rows with as few and as short statements as it takes.

        Many rows a statement: every step of one gives the interpreter lock away, and beside a busy loop it comes back late.
        The driver asks its adapters about every None, bool and bytes, a microsecond each: no parameter where all rows have
        None, and the others as types it takes as they are. What all rows have alike is one parameter for all of them.
        """
        n = len(columns[0])
        empty = tuple(i for i, values in enumerate(columns) if values[0] is None and values.count(None) == n)
        same = _same(columns) if n >= MANY else ()
        shared = [_bound(columns[i][0]) for i in same]
        kept = [values for i, values in enumerate(columns) if i not in empty and i not in same]
        plain = (map(_PLAIN[type(values[0])], values) if type(values[0]) in _PLAIN else values for values in kept)
        values = list(chain.from_iterable(zip(*plain, strict=True)))
        changed = start = 0
        for size in AT_ONCE:
            width = size * len(kept)
            while len(values) - start >= width:
                text = statement.repeated(size, empty, same)
                changed += raw.execute(text, shared + values[start : start + width]).rowcount
                start += width
        return changed

    def insert_later(self, raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> None:
        self.insert(raw, statement, columns)

    def run_each(self, raw: Any, statement: Statement, rows: Iterable[Sequence[Any]]) -> list[int]:
        # A loop: its row counts are the answers, and RETURNING for all at once costs more than it saves.
        execute, text = raw.cursor().execute, statement.text["sqlite"]
        return [execute(text, row).rowcount for row in rows]

    def lock(self, raw: Any, kind: locks.Lock, numbers: Iterable[int], *, alone: bool) -> None:
        """The one writer has every turn."""

    def lock_at_once(self, raw: Any, kind: locks.Lock, number: int) -> bool:
        return True

    def numbers(self, raw: Any, table: str, n: int) -> Sequence[int]:
        raise NotImplementedError("a single writer counts on by itself")

    def prepare(self, raw: Any) -> None:
        # The one connection that checkpoints. A larger log than SQLite's default means fewer, and longer, checkpoints.
        raw.execute(f"PRAGMA wal_autocheckpoint={disk.of().log_pages}")
        raw.execute("PRAGMA cache_size=-16000")

    def outermost(self, connection: Any) -> AbstractContextManager[None] | None:
        shortcut = getattr(connection, "outermost", None)  # which Django's stock backend has not
        return shortcut and shortcut()

    def shared_clock(self, raw: Any) -> clock.Clock | None:
        return None

    def waits_for_standby(self, raw: Any) -> bool:
        return False

    def upkeep(self, using: str) -> Upkeep | None:
        return None

    def vouch(self, raw: Any) -> None:
        """What is seen is on disk."""

    def committing(self, raw: Any) -> None:
        """A commit stores it, or raises."""

    def committed(self, raw: Any) -> None:
        """It is on disk."""

    def sizes(self, raw: Any) -> disk.Sizes:
        [page], [free], [pages] = (
            raw.execute(f"PRAGMA {name}").fetchone() for name in ("page_size", "freelist_count", "page_count")
        )
        return disk.Sizes(free * page, pages * page)

    def checkpoint(self, raw: Any, *, truncate: bool, patience: float = 0) -> None:
        [usual] = raw.execute("PRAGMA busy_timeout").fetchone()
        raw.execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
        try:
            raw.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'RESTART'})").fetchall()
        finally:
            raw.execute(f"PRAGMA busy_timeout={usual}")

    def version(self, raw: Any) -> int | None:
        [version] = raw.execute("PRAGMA data_version").fetchone()
        return int(version)

    def keeping(self, raw: Any) -> dict[Any, Any] | None:
        return None

    def slot(self, raw: Any) -> int:
        return 0

    def changed(self, raw: Any) -> int:
        return raw.total_changes

    def garbled(self, error: Exception) -> bool:
        return "Could not decode to UTF-8" in str(error)

    @contextmanager
    def lenient(self, raw: Any) -> Iterator[None]:
        before, raw.text_factory = raw.text_factory, _replaced
        try:
            yield
        finally:
            raw.text_factory = before

    @contextmanager
    def snapshot(self, raw: Any) -> Iterator[None]:
        if raw.in_transaction:
            yield
            return
        raw.execute("BEGIN")
        try:
            yield
        finally:
            raw.execute("ROLLBACK")

    def failure(self, error: Exception) -> Failure:
        return Failure.OTHER

    def translate(self, error: Exception) -> BrokerError | None:
        if not isinstance(error, _ERRORS):
            return None
        if any(mark in str(error) for mark in _FULL):
            return StoreFull()
        damage.look_at(error)
        return Unavailable(f"The store did not take it: {error}")
