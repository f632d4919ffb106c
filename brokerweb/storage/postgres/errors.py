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
ENDS = {
    "57P01": "the server stops, or somebody ended the connection",
    "57P02": "another process of the server crashed",
    "57P03": "the server starts or stops",
    "25P03": "the transaction was idle for too long, as when this process stood still",
    "25006": "the server takes no writes: another one is the primary now",
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


def ends(error: BaseException | None) -> bool:
    """Whether the connection is of no use after it: the server ends it, or takes no writes any more."""
    return error is not None and sqlstate(error) in ENDS


def sqlstate(error: BaseException) -> str | None:
    """The five characters by which PostgreSQL names an error, of Django's errors, too."""
    for each in (error, error.__cause__):
        if isinstance(each, psycopg.Error):
            return each.sqlstate
    return None
