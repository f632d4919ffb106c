"""INSERTs of many rows as one statement: an array a column, unnested, with the types that the columns have."""

from __future__ import annotations

import re
from typing import Any

from brokerweb.storage.statements import Statement

_INSERT = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^()]*)\)\s+VALUES \((?P<row>[^()]*(?:\([^()]*\)[^()]*)*)\)", re.S
)
_PARAMETER = re.compile(r"\$(\d+)")
_types: dict[str, dict[str, str]] = {}  # table -> column -> type
_texts: dict[tuple[str, str, tuple[int, ...]], str] = {}
MAX_TEXTS = 1000


def text(cursor: Any, statement: Statement, empty: tuple[int, ...]) -> str | None:
    """The statement for arrays, with NULL for the parameters at ``empty`` places; None where it is no plain INSERT of a row.

    ``cursor`` looks up what types the table's columns have, once.
    """
    key = (statement.name, own := statement.text["postgres"], empty)
    if key in _texts:
        return _texts[key]
    found = _INSERT.fullmatch(own)
    if found is None:
        return None
    columns = [column.strip().strip('"') for column in found["columns"].split(",")]
    items = [item.strip() for item in found["row"].split(",")]
    if len(items) != len(columns):
        return None
    types = _types_of(cursor, found["table"])
    kinds = {item: types[column] for column, item in zip(columns, items, strict=True) if _PARAMETER.fullmatch(item)}
    if len(kinds) < len(statement.params):
        return None
    places = [i for i in range(1, len(statement.params) + 1) if i - 1 not in empty]
    number = {f"${i}": n for n, i in enumerate(places, 1)}
    arrays = ", ".join(f"${n}::{kinds[name]}[]" for name, n in number.items())
    names = ", ".join(f"p{n}" for n in number.values())
    row = _PARAMETER.sub(lambda m: f"x.p{number[m[0]]}" if m[0] in number else f"NULL::{kinds[m[0]]}", found["row"])
    made = f"INSERT INTO {found['table']} ({found['columns']}) SELECT {row} FROM unnest({arrays}) AS x({names})"  # noqa: S608 (of the statement)
    if len(_texts) >= MAX_TEXTS:
        _texts.clear()
    _texts[key] = made
    return made


def _types_of(cursor: Any, table: str) -> dict[str, str]:
    if table not in _types:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0",
            [table],
        )
        _types[table] = dict(cursor.fetchall())
    return _types[table]
