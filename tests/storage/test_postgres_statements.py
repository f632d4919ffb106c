"""Every statement runs on PostgreSQL, on tables that the migrations made there, and does what it does on SQLite.

Nothing else of the broker runs there yet: these texts are what a dialect for it begins with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.db import connection, models

from brokerweb.queues.definitions import Q
from brokerweb.storage.fields import InstantField
from brokerweb.storage.statements import DIALECTS, Statement
from tests.eventually import eventually
from tests.postgres import Postgres, migrated
from tests.queues.bench import Time
from tests.storage.draws import Draws
from tests.storage.scene import furnished
from tests.storage.test_statements import FILES, statements

STATEMENTS = [(path, statement) for path in FILES for statement in statements(path)._all.values()]
CALLED = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
MODELS = [model for model in apps.get_models() if model._meta.app_label.startswith("brokerweb_")]


@pytest.fixture
def database(postgres: Postgres) -> str:
    """A database that the migrations have been applied to, and that no test leaves anything in; made once a server."""
    return migrated(postgres)


@pytest.fixture
def pg(postgres: Postgres, database: str) -> Iterator[psycopg.Connection[Any]]:
    with postgres.connect(database) as raw:
        yield raw


# What the texts are


def test_what_one_dialect_alone_has_a_text_for_gives_the_reason():
    """The comment under a heading: why there are two texts, or why the other needs none."""
    heading = re.compile(r"^-- (\w+)@(\w+) \(.*\n((?:-- .*\n)*)", re.M)
    for path in FILES:
        written: dict[str, dict[str, str]] = {}
        for found in heading.finditer(path.read_text()):
            written.setdefault(found[1], {})[found[2]] = found[3]
        for name, texts in written.items():
            for missing in set(DIALECTS) - texts.keys():
                [reason] = texts.values()
                assert CALLED[missing] in reason, f"{path.name}: {name} does not say why {CALLED[missing]} needs no text"


def test_only_what_says_so_has_no_text():
    alone = {dialect: {s.name for _, s in STATEMENTS if set(s.text) == {dialect}} for dialect in DIALECTS}
    assert alone == {
        "sqlite": {"burn_ids", "begin_ids", "next_ready", "forget", "forget_contents_of_any"},
        "postgres": {
            "claim",
            "claim_above",
            "any_ready_above",
            "bounds",
            "dead_rows",
            "lock",
            "lock_free",
            "keys_taken",
            "due_first",
            "remembered_of",
            "fold",
        },
    }


def test_what_one_dialect_does_not_know_is_left_out_for_it():
    statement = Statement("find", ())
    statement.add(None, "SELECT 1 FROM t INDEXED BY i WHERE x LIMIT 1 FOR UPDATE OF t SKIP LOCKED")
    assert statement.text == {
        "sqlite": "SELECT 1 FROM t INDEXED BY i WHERE x LIMIT 1",
        "postgres": "SELECT 1 FROM t WHERE x LIMIT 1 FOR UPDATE OF t SKIP LOCKED",
    }


# Tables and statements


def test_the_migrations_make_the_tables_and_the_indexes(pg: psycopg.Connection[Any]):
    rows = pg.execute("SELECT table_name, column_name, data_type FROM information_schema.columns").fetchall()
    types = {(table, column): kind for table, column, kind in rows}
    for model in MODELS:
        for field in model._meta.concrete_fields:
            kind = types[model._meta.db_table, str(field.column)]
            assert not isinstance(field, InstantField) or kind == "bigint"
            assert not isinstance(field, models.BooleanField) or kind == "boolean"
    indexes = {name for (name,) in pg.execute("SELECT indexname FROM pg_indexes")}
    assert {index.name for model in MODELS for index in model._meta.indexes} <= indexes
    partial = {name for (name,) in pg.execute("SELECT indexname FROM pg_indexes WHERE indexdef LIKE '% WHERE %'")}
    assert {index.name for model in MODELS for index in model._meta.indexes if index.condition} <= partial


def test_postgresql_prepares_every_statement(pg: psycopg.Connection[Any]):
    refused = {}
    for path, statement in STATEMENTS:
        if "postgres" in statement.text:
            try:
                pg.execute(f"PREPARE it AS {statement.text['postgres']}".encode())
                pg.execute("DEALLOCATE it")
            except psycopg.Error as error:
                refused[f"{path.name}: {statement.name}"] = str(error)
    assert refused == {}


# What they do: the same on both, for arguments of all kinds


@contextmanager
def undone(execute: Callable[[str], Any]) -> Iterator[None]:
    execute("SAVEPOINT once")
    try:
        yield
    finally:
        execute("ROLLBACK TO SAVEPOINT once")


COLUMNS = {m._meta.db_table: [str(field.column) for field in m._meta.concrete_fields] for m in MODELS}

COUNTED = {m._meta.db_table for m in MODELS if isinstance(m._meta.pk, models.AutoField | models.BigAutoField)}
INCOMPARABLE = {
    ("brokerweb_jobs_job", "params"),  # JSON, which PostgreSQL keeps in a type of its own
    ("brokerweb_jobs_job", "cursor"),
}


def outcome(cursor: Any, table: str | None, contents: Callable[[str], Any]) -> tuple[Any, ...]:
    """The rows that a statement gave, in whatever order, and what it has made of its table."""
    rows = _plain(cursor) if cursor.description else None
    if table is None:
        return rows, 0, None
    columns = [column for column in COLUMNS[table] if (table, column) not in INCOMPARABLE]
    changed = cursor.rowcount if rows is None else len(rows)
    return rows, changed, _plain(contents("SELECT {} FROM {}".format(", ".join(f'"{c}"' for c in columns), table)))


def _plain(cursor: Any) -> list[Any]:
    return sorted((tuple(map(_value, row)) for row in cursor.fetchall()), key=repr)


def _value(value: Any) -> Any:
    """A value as both databases mean it. One of a type that SQLite does not have is a difference."""
    if isinstance(value, memoryview):
        return bytes(value)
    assert value is None or isinstance(value, int | str | bytes | float), type(value)
    return int(value) if isinstance(value, bool) else value


def table_of(text: str) -> str | None:
    """The table that a statement changes."""
    found = re.match(r"(?:UPDATE|INSERT INTO|DELETE FROM) (\w+)", text)
    return found[1] if found else None


def on_sqlite(statement: Statement, args: list[Any]) -> Any:
    text, raw = statement.text["sqlite"], connection.connection
    with undone(raw.execute):
        try:
            return outcome(raw.execute(text, args), table_of(text), raw.execute)
        except connection.Database.IntegrityError:  # type: ignore[attr-defined]  # of the SQLite backend
            return "refused"


def on_postgres(pg: psycopg.Connection[Any], statement: Statement, args: list[Any]) -> Any:
    text = statement.text["postgres"]
    table = table_of(text)
    if table in COUNTED:  # what statements that were undone took of a sequence, it does not get back
        newest = f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), coalesce(max(id), 1), max(id) IS NOT NULL) FROM {table}"
        pg.execute(newest.encode())
    with undone(lambda sql: pg.execute(sql.encode())):
        try:
            found = psycopg.RawCursor(pg).execute(text.encode(), args)
            return outcome(found, table, lambda sql: pg.execute(sql.encode()))
        except psycopg.IntegrityError:
            return "refused"


def copy(pg: psycopg.Connection[Any]) -> None:
    """What is on SQLite is on PostgreSQL, too."""
    for model in MODELS:
        table, fields = model._meta.db_table, model._meta.concrete_fields
        columns = ", ".join(f'"{column}"' for column in COLUMNS[table])
        places = ", ".join("%s" for _ in fields)
        for row in connection.connection.execute(f"SELECT {columns} FROM {table}").fetchall():
            flags = [isinstance(field, models.BooleanField) for field in fields]
            values = [bool(value) if flag else value for flag, value in zip(flags, row, strict=True)]
            pg.execute(f"INSERT INTO {table} ({columns}) VALUES ({places})".encode(), values)


@pytest.mark.django_db
def test_each_statement_does_the_same_on_both(pg: psycopg.Connection[Any], time: Time):
    furnished(time)
    draws, idle = Draws(time.now()), []
    with pg.transaction(force_rollback=True):
        copy(pg)
        for path, statement in STATEMENTS:
            if set(statement.text) != set(DIALECTS):
                continue
            did = False
            for n in range(200):
                if n >= 25 and did:  # by then most have met a row that they are about, and the others go on until they do
                    break
                args = draws.args(path.parent.name, statement)
                expected = on_sqlite(statement, args)
                assert on_postgres(pg, statement, args) == expected, f"{path.name}: {statement.name} {args}"
                did = did or bool(expected[1] or expected[0])
            if not did:
                idle.append(statement.name)
    assert not idle, ", ".join(idle)


# What they promise beside others that write, which SQLite's single writer never shows


@pytest.fixture
def leased(pg: psycopg.Connection[Any]) -> Iterator[list[int]]:
    """The ids of four messages of one queue, leased until 100 in their first attempt."""
    row = (1, 3, 4, 1, False, 100, None, None, None, "w", None, None, 50)
    ids = [1, 2, 3, 4]
    for id in ids:
        psycopg.RawCursor(pg).execute(Q.insert.text["postgres"].encode(), [id, *row])
    yield ids
    pg.execute("DELETE FROM brokerweb_queues_message")


def change(raw: psycopg.Connection[Any], statement: Statement, *args: Any) -> int:
    return psycopg.RawCursor(raw).execute(statement.text["postgres"].encode(), args).rowcount


def waits_for_a_lock(pg: psycopg.Connection[Any]) -> bool:
    return bool(pg.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()[0])  # type: ignore[index]  # count(*) always has a row


@pytest.mark.parametrize(("kept", "removed"), [(False, 0), (True, 4)], ids=["settled", "only extended"])
def test_many_acks_are_all_or_none_beside_somebody_who_settles_one(
    postgres: Postgres, database: str, pg: psycopg.Connection[Any], leased: list[int], kept: bool, removed: int
):
    with postgres.connect(database) as other, postgres.connect(database) as acking, ThreadPoolExecutor(1) as thread:
        with other.transaction():
            assert change(other, *((Q.extend, 3, 1, 1, 50, 200) if kept else (Q.ack, 3, 1, 1, 50))) == 1
            acked = thread.submit(change, acking, Q.ack_all, str(leased), 4, 1, 1, 50)
            eventually(lambda: waits_for_a_lock(pg), why="the acks wait for the other's commit")
        assert acked.result(20) == removed
    left = pg.execute("SELECT count(*) FROM brokerweb_queues_message").fetchone()
    assert left == (0 if removed else 3,)


def test_duties_leave_to_others_what_these_have_locked(
    postgres: Postgres, database: str, pg: psycopg.Connection[Any], leased: list[int]
):
    with postgres.connect(database) as other, other.transaction():
        assert psycopg.RawCursor(other).execute(Q.held.text["postgres"].encode(), [2, 1, 1, 50]).fetchone()
        free = psycopg.RawCursor(pg).execute(Q.lock_free.text["postgres"].encode(), [1, str(leased)]).fetchall()
    assert [id for id, *_ in free] == [1, 3, 4]


def test_a_dedup_id_is_remembered_by_who_is_first(postgres: Postgres, database: str, pg: psycopg.Connection[Any]):
    with postgres.connect(database) as other, ThreadPoolExecutor(1) as thread:
        with other.transaction():
            assert change(other, Q.remember, 1, "d", 7, 100, 50) == 1
            second = thread.submit(change, pg, Q.remember, 1, "d", 8, 101, 51)
        assert second.result(20) == 0
    pg.execute("DELETE FROM brokerweb_queues_dedup")
