"""The list of what is tried again: of the next ``reading.MOST``."""

from __future__ import annotations

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.retrying import reading
from brokerweb.console.retrying.reading import Retry


def suits(item: Retry, asked: Asked) -> bool:
    """Whether its id, its place or its error has the part that is asked for."""
    return asked.q.lower() in f"{item.id} {item.owner.label} {item.telling}".lower()


LISTING = Listing[Retry](
    "retrying",
    [
        Column("message", "Message", lambda item: item.id, fixed=True),
        Column("again", "Again", lambda item: item.due_at, style="n"),
        Column("failures", "Failures", lambda item: item.failures, style="n mid"),
        Column("error", "Last error", lambda item: item.telling, style="wide"),
        Column("due", "Due", lambda item: item.due_at, style="wide", zoned=True),
    ],
    identity=lambda item: str(item.id),
    rows=lambda principal, asked: reading.listed(principal).items,
    suits=suits,
    sort="again",
)
