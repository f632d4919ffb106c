"""What PostgreSQL's errors mean to a caller."""

from __future__ import annotations

import django.db
import psycopg

from brokerweb.core.errors import BrokerError, Invalid, StoreFull, Unavailable
from brokerweb.storage.base import Failure

DISK_FULL = "53100"
CONFLICTS = frozenset({"40P01", "40001"})
WAITED = "55P03"
NO_TEXT = "22021"
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


class ForeseenWrong(Exception):
    """A statement answered something else than its caller had gone on with: what came of that must be rolled back."""


def translate(error: Exception) -> BrokerError | None:
    """``Dialect.translate``."""
    if not isinstance(error, psycopg.Error | django.db.Error):
        return None
    state = sqlstate(error)
    if state == DISK_FULL:
        return StoreFull()
    if state == NO_TEXT or "cannot contain NUL" in str(error):  # the server's word, and the driver's
        return Invalid("A text cannot have the character U+0000.")
    said = BUSY.get(state or "") or str(error).partition("\n")[0] or type(error).__name__
    return Unavailable(f"The store did not take it: {said}")


def sqlstate(error: BaseException) -> str | None:
    """The five characters by which PostgreSQL names an error, of Django's errors, too."""
    for each in (error, error.__cause__):
        if isinstance(each, psycopg.Error):
            return each.sqlstate
    return None


def failure(error: Exception) -> Failure:
    """``Dialect.failure``."""
    state = sqlstate(error)
    if state in CONFLICTS or isinstance(error, ForeseenWrong):
        return Failure.CONFLICT
    if state == WAITED:
        return Failure.WAITED
    if _lost(error, state):
        return Failure.LOST
    return Failure.REFUSED if isinstance(error, psycopg.Error | django.db.Error) else Failure.OTHER


def _lost(error: Exception, state: str | None) -> bool:
    """Whether the connection is gone: its end was told, or nothing was, and the driver noticed."""
    if state is not None:
        return state in ENDS or state.startswith("08")
    return isinstance(error, psycopg.OperationalError | django.db.OperationalError | django.db.InterfaceError)
