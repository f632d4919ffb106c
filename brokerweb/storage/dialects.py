"""Which dialect speaks to which of Django's databases, by its vendor. A new one is added here.

A dialect is imported when it is first needed: who stores in SQLite has no need of PostgreSQL's driver.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from brokerweb.core.errors import Unavailable
from brokerweb.storage.base import Dialect
from brokerweb.storage.sqlite import SQLite

DIALECTS: dict[str, Dialect] = {"sqlite": SQLite()}
LATER = {"postgresql": ("brokerweb.storage.postgres.dialect", "Postgres")}


def dialect_of(connection: Any) -> Dialect:
    """The dialect of one of Django's connections. Raises Unavailable where there is none."""
    return DIALECTS.get(connection.vendor) or _later(connection.vendor)


def _later(vendor: str) -> Dialect:
    if vendor not in LATER:
        raise Unavailable(f"There is no dialect for {vendor}.")
    module, name = LATER[vendor]
    return DIALECTS.setdefault(vendor, getattr(import_module(module), name)())
