"""What PostgreSQL's errors mean to a caller."""

from __future__ import annotations

import django.db
import psycopg

from brokerweb.core.errors import BrokerError, StoreFull, Unavailable

DISK_FULL = "53100"
BUSY = {
    "40P01": "others hold what it waits for, and wait for it",
    "40001": "others changed the same at the same time",
    "55P03": "others hold what it waits for",
}


def translate(error: Exception) -> BrokerError | None:
    """``Dialect.translate``."""
    if not isinstance(error, psycopg.Error | django.db.Error):
        return None
    state = sqlstate(error)
    if state == DISK_FULL:
        return StoreFull()
    said = BUSY.get(state or "") or str(error).partition("\n")[0] or type(error).__name__
    return Unavailable(f"The store did not take it: {said}")


def sqlstate(error: Exception) -> str | None:
    """The five characters by which PostgreSQL names an error, of Django's errors, too."""
    for each in (error, error.__cause__):
        if isinstance(each, psycopg.Error):
            return each.sqlstate
    return None
