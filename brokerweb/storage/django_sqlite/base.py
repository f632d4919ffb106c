"""The database backend: connections, cursors, and the write lock taken around every write of this process."""

from __future__ import annotations

import datetime
import decimal
import os
import re
from collections.abc import Callable, Iterable
from typing import Any

import pysqlite3.dbapi2 as Database  # noqa: N812 (the name Django uses)
from django.db import OperationalError
from django.db.backends.sqlite3 import base as stock
from django.db.backends.sqlite3._functions import register as register_functions  # type: ignore[import-untyped]
from django.db.backends.sqlite3.features import DatabaseFeatures as StockFeatures
from django.db.backends.sqlite3.operations import DatabaseOperations as StockOperations
from django.utils.dateparse import parse_date, parse_datetime, parse_time

from brokerweb.storage.write_lock import lock_for

# What a connection may wait for the lock, and for a writer in another process. Seconds.
BUSY_TIMEOUT = 10
_READS = re.compile(
    r"\s*(SELECT|PRAGMA|EXPLAIN|BEGIN|COMMIT|ROLLBACK|SAVEPOINT|RELEASE|WITH(?!.*\b(?:INSERT|UPDATE|DELETE)\b))", re.I | re.S
)
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
    max_query_params = 32_766  # SQLite's own default; since 6.0 Django asks the connection, which pysqlite3's cannot tell


class DatabaseWrapper(_Stock):
    """Django's SQLite wrapper on pysqlite3. Every ``atomic()`` is BEGIN IMMEDIATE: readers use none."""

    Database = Database
    features_class = DatabaseFeatures
    ops_class = DatabaseOperations

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.holds_write_lock = False

    def get_connection_params(self) -> dict[str, Any]:
        params: dict[str, Any] = super().get_connection_params()
        params.setdefault("timeout", BUSY_TIMEOUT)
        params["detect_types"] = Database.PARSE_DECLTYPES | Database.PARSE_COLNAMES
        self.transaction_mode = "IMMEDIATE"
        return params

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        connection = Database.connect(**conn_params)
        register_functions(connection)
        for command in ("PRAGMA foreign_keys=ON", "PRAGMA legacy_alter_table=OFF", *init_commands(), *self.init_commands):
            connection.execute(command)
        return connection

    def create_cursor(self, name: str | None = None) -> Any:
        cursor = self.connection.cursor(factory=Cursor)
        cursor.wrapper = self
        return cursor

    def writing(self, query: str) -> _Writing:
        return _Writing(self, query)

    def acquire_write_lock(self) -> None:
        if not self._write_lock().acquire(BUSY_TIMEOUT):
            raise OperationalError("database is locked: the write lock of this process was not free in time")
        self.holds_write_lock = True

    def release_write_lock(self) -> None:
        if self.holds_write_lock:
            self.holds_write_lock = False
            self._write_lock().release()

    def _write_lock(self) -> Any:
        return lock_for(str(self.settings_dict["NAME"]))

    def _start_transaction_under_autocommit(self) -> None:
        self.acquire_write_lock()
        try:
            super()._start_transaction_under_autocommit()
        except BaseException:
            self.release_write_lock()
            raise

    def _commit(self) -> None:
        # A commit that fails leaves the transaction open: its rollback gives the lock back.
        super()._commit()
        self.release_write_lock()

    def _rollback(self) -> None:
        try:
            super()._rollback()
        finally:
            self.release_write_lock()

    def _close(self) -> None:
        try:
            super()._close()
        finally:
            self.release_write_lock()
