"""What lists write in their heads and cells."""

from __future__ import annotations

from typing import Any, NamedTuple

from django import template

from brokerweb.console import headings, zones
from brokerweb.console.headings import Heading
from brokerweb.console.listing import KNOWN, Asked, Column
from brokerweb.console.prefixes import Branch

register = template.Library()


class Columns(NamedTuple):
    """The columns of a table: their headings, and their keys."""

    headings: list[Heading]
    keys: frozenset[str]


@register.simple_tag(takes_context=True)
def columns_of(context: dict[str, Any], name: str, only: str = "", **labels: str) -> Columns:
    """Those that the page's list shows; on a page of something else the usual ones, or ``only`` some, unsorted.

    ``labels`` stand instead of a column's own.
    """
    asked = getattr(context.get("list"), "asked", None)
    if asked is not None and asked.listing.name == name:
        shown = headings.of(asked)
    else:
        asked = Asked(KNOWN[name], remembered=only.replace(" ", "."))
        shown = [heading._replace(query="", direction="", also="", rank="") for heading in headings.of(asked)]
    zoned = {column.key for column in asked.listing.columns if column.zoned}
    named = [(heading, labels.get(heading.key, heading.label)) for heading in shown]
    said = [heading._replace(label=f"{label} ({zones.word()})" if heading.key in zoned else label) for heading, label in named]
    return Columns(said, asked.shows)


@register.filter
def figure(branch: Branch, column: Column[Branch]) -> object:
    """A sum of a branch, as its column writes it."""
    value = column.value(branch)
    return "–" if value is None else column.looks(value)


@register.simple_tag
def within(asked: Asked, prefix: str) -> str:
    """The query of the same list below a prefix."""
    return asked.within(prefix)
