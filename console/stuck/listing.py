"""The list of what stands still: of the ``reading.MOST`` that do most harm, in that order until somebody sorts them."""

from __future__ import annotations

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.stuck import reading
from brokerweb.console.stuck.reading import Item
from brokerweb.console.templatetags.brokerweb_console import seconds_since


def suits(item: Item, asked: Asked) -> bool:
    """Whether it stands still for the reason, and its name has the part, that is asked for."""
    return asked.get("why") in ("", item.code) and asked.q.lower() in item.label.lower()


LISTING = Listing[Item](
    "stuck",
    [
        Column("what", "What", lambda item: item.label, fixed=True),
        Column("why", "Why", lambda item: item.text, style="mid"),
        Column("held", "Held", lambda item: item.held, style="n mid", live=True),
        Column("oldest", "Oldest", lambda item: seconds_since(item.oldest_at), style="n mid"),
    ],
    identity=lambda item: item.key,
    rows=lambda principal, asked: reading.listed(principal).items,
    suits=suits,
    filters=("why",),
    as_found=True,
)
