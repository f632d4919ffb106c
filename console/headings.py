"""The headings of a list: where a click on one leads, and what they say of the order that the list is in."""

from __future__ import annotations

from typing import Any, NamedTuple

from brokerweb.console.listing import Asked, Column
from brokerweb.console.order import MOST, Keys


class Heading(NamedTuple):
    """The heading of a column: where a click leads, and which way the list is sorted by it now."""

    key: str
    label: str
    style: str
    query: str
    direction: str  # of aria-sort; empty where it is sorted by another first
    reach: str = ""  # what is sorted, where that is not all of the list
    also: str = ""  # where a click with Shift leads: sorted by what it is sorted by, and then by this
    rank: str = ""  # which of several columns it is that the list is sorted by, and which way


def of(asked: Asked) -> list[Heading]:
    """Those of the columns that are shown."""
    return [_heading(asked, column) for column in asked.columns]


def _heading(asked: Asked, column: Column[Any]) -> Heading:
    if not column.sortable:
        return Heading(column.key, column.label, column.style, "", "")
    keys: Keys = [] if asked.natural else [(each.key, down) for each, down in asked.order]
    at = next((n for n, (key, _) in enumerate(keys) if key == column.key), None)
    way = "" if at is None else "descending" if keys[at][1] else "ascending"
    turned = column.key, column.descends if at is None else not keys[at][1]
    usual = column.key, column.descends
    return Heading(
        column.key,
        column.label,
        column.style,
        asked.sorted_as([turned if at == 0 else usual]),
        way if at == 0 else "",
        _reach(asked, column),
        asked.sorted_as(_also(asked, keys, turned, at)),
        "" if at is None or len(keys) == 1 else f"{at + 1}, {way}",
    )


def _also(asked: Asked, keys: Keys, turned: tuple[str, bool], at: int | None) -> Keys:
    """What it is sorted by, and then this, instead of a last one if need be; behind ids and names, of one row each, nothing."""
    if at is not None:
        return [*keys[:at], turned, *keys[at + 1 :]]
    alone = keys and (keys[0][0] == asked.listing.by_id or (not asked.get("sort") and keys[0][0] == asked.listing.columns[0].key))
    return [turned] if alone else [*keys[: MOST - 1], turned]


def _reach(asked: Asked, column: Column[Any]) -> str:
    if asked.listing.within:
        return "Sorts the rows of this page"
    newest = asked.listing.newest if column.key != asked.listing.by_id else None
    return "" if newest is None else f"Sorts the newest {newest:,}"
