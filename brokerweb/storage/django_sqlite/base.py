"""The database backend: connections, cursors, and the write lock taken around every write of this process."""

from __future__ import annotations

import datetime
import decimal
import os
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import DEFAULT_DB_ALIAS, OperationalError
from django.db.backends.sqlite3 import base as stock
from django.db.backends.sqlite3._functions import register as register_functions  # type: ignore[import-untyped]  # django-stubs leave it out
from django.db.backends.sqlite3.features import DatabaseFeatures as StockFeatures
from django.db.backends.sqlite3.operations import DatabaseOperations as StockOperations
from django.db.utils import DatabaseErrorWrapper
from django.utils.dateparse import parse_date, parse_datetime, parse_time
from django.utils.functional import cached_property

from brokerweb.storage import damage, disk
from brokerweb.storage.django_sqlite.creation import DatabaseCreation
from brokerweb.storage.driver import sqlite as Database  # noqa: N812 (the name Django uses)
from brokerweb.storage.outermost import Outermost
from brokerweb.storage.write_lock import FairLock, lock_for

# What a connection may wait for the lock, and for a writer in another process. Seconds.
BUSY_TIMEOUT = 10
CACHED_STATEMENTS = 512  # of the driver, which keeps 100: rows go many a statement, and each number of them is a text of its own
_READS = re.compile(
    r"(?:\s|\(|--[^\n]*\n|/\*.*?\*/)*"  # what may stand before it
    r"(?:SELECT|VALUES|PRAGMA|EXPLAIN|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|WITH(?!.*\b(?:INSERT|UPDATE|DELETE)\b))",
    re.I | re.S,
)
_SAVEPOINT = re.compile(r"\s*SAVEPOINT", re.I)
_PLACEHOLDER = re.compile(r"(?<!%)%s")


def _decoded(parse: Callable[[str], Any]) -> Callable[[bytes], Any]:
    return lambda value: parse(value.decode())


Database.register_converter("bool", b"1".__eq__)
Database.register_converter("date", _decoded(parse_date))
Database.register_converter("time", _decoded(parse_time))
Database.register_converter("datetime", _decoded(parse_datetime))
Database.register_converter("timestamp", _decoded(parse_datetime))
Database.register_adapter(decimal.Decimal, str)
Database.register_adapter(datetime.date, datetime.date.isoformat)
Database.register_adapter(datetime.datetime, lambda value: value.isoformat(" "))


def init_commands() -> list[str]:
    """The pragmas of every connection. Only the committer's checkpoints, so that no two connections ever race to."""
    # Tests of the power-cut tier lower this to prove that they would notice; nothing else may.
    synchronous = os.environ.get("BROKERWEB_TEST_SYNCHRONOUS", "FULL")
    if synchronous not in {"FULL", "NORMAL", "OFF"}:
        raise ValueError("BROKERWEB_TEST_SYNCHRONOUS is FULL, NORMAL or OFF")
    return [
        "PRAGMA journal_mode=WAL",
        f"PRAGMA synchronous={synchronous}",
        "PRAGMA wal_autocheckpoint=0",
        "PRAGMA temp_store=MEMORY",
    ]


_Stock: Any = stock.DatabaseWrapper  # its stubs know neither transactions nor init commands


class Cursor(Database.Cursor):
    """A cursor that speaks Django's ``%s`` and takes the write lock for a write outside a transaction."""

    wrapper: DatabaseWrapper

    def execute(self, query: str, params: Any = None) -> Any:
        with self.wrapper.writing(query):
            if params is None:
                return super().execute(query)
            return super().execute(_converted(query, params), params)

    def executemany(self, query: str, param_list: Iterable[Any]) -> Any:
        rows = list(param_list)
        with self.wrapper.writing(query):
            return super().executemany(_converted(query, rows[0] if rows else ()), rows)


def _converted(query: str, params: Any) -> str:
    if isinstance(params, dict):
        return query % {name: f":{name}" for name in params}
    return _PLACEHOLDER.sub("?", query).replace("%%", "%")


class _Writing:
    """Holds the write lock for one statement, unless the connection has it or the statement reads."""

    __slots__ = ("taken", "wrapper")

    def __init__(self, wrapper: DatabaseWrapper, query: str) -> None:
        self.wrapper = wrapper
        self.taken = not wrapper.holds_write_lock and not _READS.match(query)

    def __enter__(self) -> None:
        if self.taken:
            self.wrapper.acquire_write_lock()

    def __exit__(self, *_: object) -> None:
        if self.taken:
            self.wrapper.release_write_lock()


class DatabaseOperations(StockOperations):
    def _quote_params_for_last_executed_query(self, params: Any) -> Any:
        # The stock method opens a cursor of the stock module; this one only shows values to people.
        return tuple(repr(value) for value in params)


class DatabaseFeatures(StockFeatures):
    max_query_params = 32_766  # SQLite's own default; since 6.0 Django asks the connection, which the driver's cannot tell
    # The driver's always has it. Since 6.1 Django's system checks ask, and asking would make the file before anything is checked.
    supports_json_field = True


class _Errors(DatabaseErrorWrapper):
    """Django's own, which turns the driver's errors into its own. One that tells of a broken file is noted on the way, and is an
    OperationalError: no fault of the code, whatever class the driver gives it.
    """

    wrapper: DatabaseWrapper

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if error is not None and self.wrapper.alias == DEFAULT_DB_ALIAS and damage.look_at(error):
            self.wrapper.errors_occurred = True
            raise OperationalError(str(error)) from error
        super().__exit__(kind, error, traceback)


class DatabaseWrapper(_Stock):
    """Django's wrapper on a sound SQLite. Every ``atomic()`` is BEGIN IMMEDIATE: readers use none, or ``beginning_late``."""

    Database = Database
    creation_class = DatabaseCreation
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._write_lock: FairLock | None = None  # while it is held
        self._late = False  # the next transaction is to begin late
        self._to_begin = False  # it has entered ``atomic()``, and nothing has been written in it

    @cached_property
    def wrap_database_errors(self) -> _Errors:
        return _Errors(self)

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params.setdefault("timeout", BUSY_TIMEOUT)
        params.setdefault("cached_statements", CACHED_STATEMENTS)
        params["detect_types"] = Database.PARSE_DECLTYPES | Database.PARSE_COLNAMES
        self.transaction_mode = "IMMEDIATE"
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.alias == DEFAULT_DB_ALIAS and (wrong := damage.opening()) is not None:
            raise OperationalError(wrong)
        connection = Database.connect(**conn_params)
        register_functions(connection)
        for command in ("PRAGMA foreign_keys=ON", "PRAGMA legacy_alter_table=OFF", *init_commands(), *self.init_commands):
            connection.execute(command)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.wrapper = self
        return cursor

    def outermost(self) -> Outermost | None:
        """A transaction, for a caller who is in none yet; None for one who is."""
        if self.in_atomic_block or not self.get_autocommit():
            return None
        return Outermost(self)

    def writing(self, query: str) -> _Writing:
        if self._to_begin and (not _READS.match(query) or _SAVEPOINT.match(query)):
            self._begin()
            self._to_begin = False
        return _Writing(self, query)

    @contextmanager
    def beginning_late(self) -> Iterator[None]:
        """The first ``atomic()`` within it begins its transaction with the first write, or another ``atomic()`` in it; until
        then each statement reads what is committed when it runs, and waits for no writer."""
        self._late = True
        try:
            yield
        finally:
            self._late = False

    @property
    def holds_write_lock(self) -> bool:
        return self._write_lock is not None

    def acquire_write_lock(self) -> None:
        name = self.settings_dict["NAME"]
        disk.at(name).glance()
        lock = lock_for(str(name))
        if not lock.acquire(BUSY_TIMEOUT):
            raise OperationalError("database is locked: the write lock of this process was not free in time")
        self._write_lock = lock

    def release_write_lock(self) -> None:
        lock, self._write_lock = self._write_lock, None
        if lock is not None:
            lock.release()

    def _start_transaction_under_autocommit(self) -> None:
        self._to_begin, self._late = self._late, False
        if not self._to_begin:
            self._begin()

    def _begin(self) -> None:
        self.acquire_write_lock()
        try:
            with self.wrap_database_errors:
                self.connection.execute("BEGIN IMMEDIATE")
            disk.at(self.settings_dict["NAME"]).begun()
        except BaseException:
            self.release_write_lock()
            raise

    def _commit(self) -> None:
        # A commit that fails leaves the transaction open: its rollback gives the lock back.
        if self.queries_logged or self.connection is None:
            super()._commit()
        else:
            with self.wrap_database_errors:
                self.connection.commit()
        self._to_begin = False
        self.release_write_lock()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self._to_begin = False
            self.release_write_lock()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self._to_begin = False
            self.release_write_lock()
