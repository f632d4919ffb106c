"""Rows of a table, read in the order of its primary key and stored, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from brokerweb.moving.tables import Row, Table

MOST, FIRST = 5000, 200  # rows a batch
BYTES = 8 << 20  # of bodies in a batch, as far as the batch before lets expect


class Reading:
    """One table of one database, from a key on."""

    def __init__(self, connection: Any, table: Table, after: Sequence[Any] | None = None) -> None:
        self.connection, self.table = connection, table
        self.after = list(after) if after is not None else None
        self.limit = FIRST if table.heavy else MOST
        self._readers = _each(column.reader(connection) for column in table.columns)
        self._bodies = [n for n, column in enumerate(table.columns) if column.bytes]

    def batch(self) -> list[Row]:
        """The next rows; none at the end."""
        name = self.connection.ops.quote_name
        columns = ", ".join(name(column.name) for column in self.table.columns)
        key = ", ".join(name(self.table.columns[n].name) for n in self.table.key)
        places = ", ".join(["%s"] * len(self.table.key))
        beyond = f"WHERE ({key}) > ({places}) " if self.after is not None else ""
        text = f"SELECT {columns} FROM {name(self.table.name)} {beyond}ORDER BY {key} LIMIT {self.limit}"  # noqa: S608 (names of models)
        with self.connection.cursor() as cursor:
            cursor.execute(text, self.after or [])
            rows = [_converted(row, self._readers) for row in cursor.fetchall()]
        if rows:
            self.after = self.table.key_of(rows[-1])
            self._adapt(rows)
        return rows

    def _adapt(self, rows: list[Row]) -> None:
        if self._bodies:
            size = sum(len(row[n] or b"") for row in rows for n in self._bodies)
            self.limit = max(1, min(MOST, self.limit * 4, BYTES * len(rows) // max(1, size)))


def store(connection: Any, table: Table, rows: Sequence[Row]) -> None:
    """Insert these, within the caller's transaction."""
    writers = _each(column.writer(connection) for column in table.columns)
    written = [_converted(row, writers) for row in rows]
    name = connection.ops.quote_name
    into = f"{name(table.name)} ({', '.join(name(column.name) for column in table.columns)})"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with connection.wrap_database_errors, cursor.copy(f"COPY {into} FROM STDIN") as copy:
                for row in written:
                    copy.write_row(row)
        else:
            places = ", ".join(["%s"] * len(table.columns))
            cursor.executemany(f"INSERT INTO {into} VALUES ({places})", written)  # noqa: S608 (names of models)


def count(connection: Any, table: Table) -> int:
    """How many rows there are."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table.name)}")  # noqa: S608 (a model's name)
        return int(cursor.fetchone()[0])


def _each(changes: Any) -> list[tuple[int, Callable[[Any], Any]]]:
    return [(n, change) for n, change in enumerate(changes) if change is not None]


def _converted(row: Sequence[Any], changes: list[tuple[int, Callable[[Any], Any]]]) -> Row:
    values = list(row)
    for n, change in changes:
        if values[n] is not None:
            values[n] = change(values[n])
    return values
