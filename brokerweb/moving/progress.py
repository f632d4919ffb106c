"""How far a copy has come, noted in its target with the rows themselves, so that a second run goes on where the first ended.

The table is there from the first row to the end: a database that has it is half a broker's, and is not served.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from brokerweb.moving.tables import Sum

TABLE = "brokerweb_copy"
COPY = ""  # the item that says what is copied; the others are tables


@dataclass
class Noted:
    """Of one table: what there is of it, the last key, and whether that is all. ``resumed``: some of it an earlier run did."""

    last: list[Any] | None = None
    sum: Sum = field(default_factory=Sum)
    whole: bool = False
    resumed: bool = False


def unfinished(connection: Any) -> bool:
    """Whether a copy into this database has begun and not ended."""
    return TABLE in connection.introspection.table_names()


def begin(connection: Any, about: dict[str, Any]) -> None:
    """The first step, in the caller's transaction."""
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TABLE {TABLE} (item varchar(100) PRIMARY KEY, value text NOT NULL)")
    _write(connection, COPY, about)


def about(connection: Any) -> dict[str, Any]:
    """What ``begin`` has noted."""
    return dict(_read(connection)[COPY])


def noted(connection: Any) -> dict[str, Noted]:
    """By table."""
    found = {}
    for item, value in _read(connection).items():
        if item != COPY:
            whole = Sum(value["rows"], int(value["checksum"], 16))
            found[item] = Noted(value["last"], whole, value["whole"], resumed=True)
    return found


def note(connection: Any, item: str, to: Noted) -> None:
    """In the transaction that stores the rows."""
    value = {"last": to.last, "rows": to.sum.rows, "checksum": f"{to.sum.checksum:x}", "whole": to.whole}
    _write(connection, item, value)


def end(connection: Any) -> None:
    """All is there, and compared."""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {TABLE}")


def _read(connection: Any) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT item, value FROM {TABLE}")  # noqa: S608 (a name of this module's)
        return {item: json.loads(value) for item, value in cursor.fetchall()}


def _write(connection: Any, item: str, value: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {TABLE} (item, value) VALUES (%s, %s) ON CONFLICT (item) DO UPDATE SET value = excluded.value",  # noqa: S608 (as above)
            [item, json.dumps(value)],
        )
