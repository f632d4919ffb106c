"""Numbers that are given once: the target's next is above every one that the source ever gave, also of rows that are gone."""

from __future__ import annotations

from typing import Any

from brokerweb.moving.tables import Table


def go_on(source: Any, target: Any, table: Table) -> None:
    """The target counts on from where the source is."""
    last = max(_given(source, table), _highest(target, table))
    if last <= 0:
        return
    with target.cursor() as cursor:
        if target.vendor == "postgresql":
            cursor.execute("SELECT setval(%s, %s)", [_sequence(target, table), last])
            return
        cursor.execute("DELETE FROM sqlite_sequence WHERE name = %s", [table.name])
        cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table.name, last])


def _given(connection: Any, table: Table) -> int:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"SELECT last_value, is_called FROM {_sequence(connection, table)}")  # noqa: S608 (the database's own name)
            last, called = cursor.fetchone()
            return int(last) if called else int(last) - 1
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table.name])
        row = cursor.fetchone()
        return int(row[0]) if row else 0


def _highest(connection: Any, table: Table) -> int:
    quoted = connection.ops.quote_name
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT max({quoted(_number(table))}) FROM {quoted(table.name)}")  # noqa: S608 (a model's name)
        return int(cursor.fetchone()[0] or 0)


def _sequence(connection: Any, table: Table) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, %s)", [connection.ops.quote_name(table.name), _number(table)])
        return str(cursor.fetchone()[0])


def _number(table: Table) -> str:
    return str(table.model._meta.auto_field.column)  # type: ignore[union-attr]  # asked for tables that are ``counted``
