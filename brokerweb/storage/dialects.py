"""Which dialect speaks to which of Django's databases. A new one is added here."""

from __future__ import annotations

from typing import Any

from brokerweb.core.errors import Unavailable
from brokerweb.storage.base import Dialect
from brokerweb.storage.sqlite import SQLite

DIALECTS: dict[str, Dialect] = {"sqlite": SQLite()}


def dialect_of(connection: Any) -> Dialect:
    """The dialect of one of Django's connections. Raises Unavailable where there is none."""
    found = DIALECTS.get(connection.vendor)
    if found is None:
        raise Unavailable(f"There is no dialect for {connection.vendor}.")
    return found
