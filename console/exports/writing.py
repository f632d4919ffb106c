"""Rows as lines of JSON or as CSV. The last line says whether they are all, as in an export of a search."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from brokerweb.console.listing import Column
from brokerweb.core import clock
from brokerweb.faces.export import cell, csv_rows

_encode = msgspec.json.Encoder().encode
Columns = Sequence[Column[Any]]


class Form(NamedTuple):
    """How rows become bytes."""

    media_type: str
    begin: Callable[[Columns], bytes]
    rows: Callable[[Columns, Sequence[Any]], bytes]
    end: Callable[[Mapping[str, Any]], bytes]


def _value(column: Column[Any], row: Any) -> Any:
    value = column.value(row)
    return clock.rfc3339(clock.from_datetime(value)) if isinstance(value, datetime) else value


def _lines(columns: Columns, rows: Sequence[Any]) -> bytes:
    return b"".join(_encode({column.key: _value(column, row) for column in columns}) + b"\n" for row in rows)


def _table(columns: Columns, rows: Sequence[Any]) -> bytes:
    return csv_rows([[cell(_value(column, row), column.key) for column in columns] for row in rows])


FORMS: Mapping[str, Form] = {
    "ndjson": Form("application/x-ndjson", lambda _: b"", _lines, lambda outcome: _encode(outcome) + b"\n"),
    "csv": Form(
        "text/csv; charset=utf-8",
        lambda columns: csv_rows([[column.key for column in columns]]),
        _table,
        lambda outcome: csv_rows([("#", _encode(outcome).decode())]),
    ),
}
