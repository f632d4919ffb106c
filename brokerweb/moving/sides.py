"""The two databases of a copy, each held so that no broker serves it and nobody else writes it meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from django.core.management import call_command
from django.db import Error, OperationalError, transaction
from django.db.migrations.executor import MigrationExecutor

from brokerweb.cluster.models import Node
from brokerweb.cluster.presence import LOOK, SILENT
from brokerweb.moving import progress
from brokerweb.moving.addresses import Address
from brokerweb.moving.instants import now
from brokerweb.moving.tables import Table
from brokerweb.servers.lock import AlreadyRunning, only_server
from brokerweb.storage import losses, reading
from brokerweb.storage.files import Files, files_of
from brokerweb.storage.losses import DataLost

SOURCE, TARGET = "brokerweb_source", "brokerweb_target"
ONE_COPY = 0x636F7079  # "copy": the number of the lock, among those that programs of a database agree on
PATIENCE = "3s"  # for the lock of a copy that was killed, which ends a moment after it


class Refused(Exception):
    """The copy was not begun, or does not go on; the message says why, and what to do."""


@contextmanager
def source(address: Address, tables: Iterable[Table], tell: Callable[[str], None]) -> Iterator[Any]:
    """The database to read, in one transaction, in which it stays as it is. Raises Refused."""
    connection = address.open(SOURCE)
    try:
        with _held(connection, address, "source"):
            _require_whole(files_of(connection), address)
            _require_schema(connection, address)
            _require_silence(connection, address, tell)
            with transaction.atomic(using=SOURCE), reading.lenient(SOURCE):
                if connection.vendor == "postgresql":  # a file has one writer, and ``atomic`` is that
                    _lock(connection, tables)
                yield connection
                transaction.set_rollback(True, using=SOURCE)
    finally:
        connection.close()


@contextmanager
def target(address: Address, tell: Callable[[str], None]) -> Iterator[Any]:
    """The database to write, with its schema. Raises Refused."""
    connection = address.open(TARGET)
    try:
        with _held(connection, address, "target"):
            if not progress.unfinished(connection):
                call_command("migrate", database=TARGET, interactive=False, verbosity=0)
            _require_schema(connection, address)
            _require_silence(connection, address, tell)
            yield connection
    finally:
        connection.close()


def require_empty(connection: Any, address: Address, tables: Iterable[Table]) -> None:
    """Raises Refused where there is a row that ``migrate`` has not made."""
    for table in tables:
        if not table.generated and table.model._base_manager.using(connection.alias).exists():
            raise Refused(f"{address.shown} is not empty: {table.name} has rows. Copy into a new database; nothing was changed")


def empty_generated(connection: Any, tables: Iterable[Table]) -> None:
    """What ``migrate`` makes has other numbers than in the source, by which rows refer to it."""
    with connection.cursor() as cursor:
        for table in reversed(list(tables)):
            if table.generated:
                cursor.execute(f"DELETE FROM {connection.ops.quote_name(table.name)}")  # noqa: S608 (a model's name)


@contextmanager
def _held(connection: Any, address: Address, role: str) -> Iterator[None]:
    files = files_of(connection)
    if files is None:
        connection.ensure_connection()
        with _one_copy(connection, address):
            yield
        return
    if role == "source" and not files.database.exists():
        raise Refused(f"{address.shown}: there is no such file")
    try:
        with only_server(files):
            yield
    except AlreadyRunning as error:
        raise Refused(f"{error}: a copy needs it stopped") from error


@contextmanager
def _one_copy(connection: Any, address: Address) -> Iterator[None]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [PATIENCE])
        try:
            cursor.execute("SELECT pg_advisory_lock(%s)", [ONE_COPY])
        except OperationalError as error:
            raise Refused(f"{address.shown}: another copy is under way there") from error
        cursor.execute("RESET lock_timeout")
    try:
        yield
    finally:
        with suppress(Error), connection.cursor() as cursor:  # it ends with the connection, but not before its server sees that
            cursor.execute("SELECT pg_advisory_unlock(%s)", [ONE_COPY])


def _require_whole(files: Files | None, address: Address) -> None:
    """Nothing is missing from a file; a server sees to that by itself."""
    try:
        if files is not None:
            losses.before_opening(files)
    except DataLost as error:
        raise Refused(f"{address.shown}: {error}. Put it back, or start serve with --accept-loss once") from error


def _require_schema(connection: Any, address: Address) -> None:
    executor = MigrationExecutor(connection)
    names = connection.introspection.table_names()
    if Node._meta.db_table not in names:
        raise Refused(f"{address.shown} is no broker's database")
    if executor.migration_plan(executor.loader.graph.leaf_nodes()):
        raise Refused(f"the schema of {address.shown} is of another version: start this version's serve there once, and stop it")


def _require_silence(connection: Any, address: Address, tell: Callable[[str], None]) -> None:
    """No node serves a database that many may serve; of a file the lock has told."""
    if connection.vendor == "sqlite":
        return
    nodes = _nodes(connection)
    if not nodes or now(connection) - max(nodes.values()) > SILENT * 1_000_000:
        return
    tell(f"{address.shown}: a node was alive a moment ago; waiting {SILENT:.0f} seconds for its heartbeat")
    deadline = time.monotonic() + SILENT
    while time.monotonic() < deadline:
        time.sleep(LOOK)
        later = _nodes(connection)
        if not later:
            return
        if any(later.get(name, seen) != seen for name, seen in nodes.items()) or later.keys() - nodes.keys():
            raise Refused(f"a broker serves {address.shown}: a copy needs every node stopped")


def _nodes(connection: Any) -> dict[str, int]:
    """When each node that has not ended well was seen last."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT name, seen_at FROM {Node._meta.db_table} WHERE presence <> ''")  # noqa: S608 (a model's name)
        return dict(cursor.fetchall())


def _lock(connection: Any, tables: Iterable[Table]) -> None:
    """Until the transaction ends rows are read by anybody, and changed by nobody: no node begins, no project publishes."""
    names = [table.name for table in tables] + [Node._meta.db_table]
    with connection.cursor() as cursor:
        cursor.execute(f"LOCK TABLE {', '.join(map(connection.ops.quote_name, names))} IN SHARE MODE")
