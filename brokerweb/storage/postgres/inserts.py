"""INSERTs of many rows as one statement: arrays, unnested, with the types that the columns have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from brokerweb.storage.postgres.wire import wire_of
from brokerweb.storage.statements import Statement

_INSERT = re.compile(
    r"INSERT INTO (?P<table>\w+) \((?P<columns>[^()]*)\)\s+VALUES \((?P<row>[^()]*(?:\([^()]*\)[^()]*)*)\)", re.S
)
_PARAMETER = re.compile(r"\$(\d+)")
_types: dict[str, dict[str, str]] = {}  # table -> column -> type
_texts: dict[tuple[str, tuple[int, ...], tuple[int, ...]], str] = {}
_COMPARED = (int, bool, str)  # where looking costs little
MAX_TEXTS = 1000
_COLUMNS = "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum > 0"


def plain(statement: Statement) -> bool:
    """Whether it is an INSERT of one row, without more, that can take arrays instead."""
    return _INSERT.fullmatch(statement.text["postgres"]) is not None


def shortened(raw: Any, statement: Statement, columns: Sequence[Sequence[Any]]) -> tuple[str | None, list[Any]]:
    """The statement for rows given as columns, and what to send with it; no text where it is no plain INSERT.

    What all rows have alike is one parameter for all of them, and where they have nothing, none. What types the table's columns
    have is looked up once, on the driver's connection ``raw``.
    """
    n = len(columns[0])
    if n == 1:
        return statement.text["postgres"], [value for (value,) in columns]
    empty = tuple(i for i, values in enumerate(columns) if values[0] is None and values.count(None) == n)
    same = tuple(i for i, values in enumerate(columns) if i and type(values[0]) in _COMPARED and values.count(values[0]) == n)
    text = _text(raw, statement, empty, same)
    alone = set(same)
    return text, [values[0] if i in alone else list(values) for i, values in enumerate(columns) if i not in empty]


def _text(raw: Any, statement: Statement, empty: tuple[int, ...], same: tuple[int, ...]) -> str | None:
    own = statement.text["postgres"]
    key = own, empty, same
    if key in _texts:
        return _texts[key]
    found = _INSERT.fullmatch(own)
    if found is None:
        return None
    columns = [column.strip().strip('"') for column in found["columns"].split(",")]
    items = [item.strip() for item in found["row"].split(",")]
    if len(items) != len(columns):
        return None
    types = _types_of(raw, found["table"])
    kinds = {item: types[column] for column, item in zip(columns, items, strict=True) if _PARAMETER.fullmatch(item)}
    if len(kinds) < len(statement.params):
        return None
    places = [i for i in range(len(statement.params)) if i not in empty]
    number = {f"${i + 1}": n for n, i in enumerate(places, 1)}
    arrays = [name for i, name in zip(places, number, strict=True) if i not in same]
    if not arrays:
        return None
    shared = {f"${i + 1}": f"${number[f'${i + 1}']}::{kinds[f'${i + 1}']}" for i in same}
    values = {name: f"x.p{number[name]}" for name in arrays} | shared
    row = _PARAMETER.sub(lambda m: values.get(m[0]) or f"NULL::{kinds[m[0]]}", found["row"])
    unnested = ", ".join(f"${number[name]}::{kinds[name]}[]" for name in arrays)
    names = ", ".join(f"p{number[name]}" for name in arrays)
    made = f"INSERT INTO {found['table']} ({found['columns']}) SELECT {row} FROM unnest({unnested}) AS x({names})"  # noqa: S608  # of the statement's own text
    if len(_texts) >= MAX_TEXTS:
        _texts.clear()
    _texts[key] = made
    return made


def _types_of(raw: Any, table: str) -> dict[str, str]:
    if table not in _types:
        _types[table] = dict(wire_of(raw).execute(raw, _COLUMNS, [table]).fetchall())
    return _types[table]
