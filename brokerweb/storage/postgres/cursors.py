"""Cursors with the dialect's parameters on connections that may be a project's own: what that has on them stays as it is."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.adapt import AdaptersMap
from psycopg.types.array import ListBinaryDumper
from psycopg.types.numeric import Int8BinaryDumper

_adapters: WeakKeyDictionary[Any, AdaptersMap] = WeakKeyDictionary()


def _adapters_of(raw: Any) -> AdaptersMap:
    """The connection's, but one type for all numbers, so that a statement is prepared once, and arrays as bytes, since text
    costs ten times that."""
    found = _adapters.get(raw)
    if found is None:
        found = AdaptersMap(raw.adapters)
        found.register_dumper(int, Int8BinaryDumper)
        found.register_dumper(list, ListBinaryDumper)
        _adapters[raw] = found
    return found


class Cursor(psycopg.RawCursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _adapters_of(self.connection)


class ServerCursor(psycopg.RawServerCursor[Any]):
    @property
    def adapters(self) -> AdaptersMap:
        return _adapters_of(self.connection)
