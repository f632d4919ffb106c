"""Rows grouped by the parts of their dotted names: one level below the prefix that is asked for, with sums."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.order import Value

R = TypeVar("R")


@dataclass(frozen=True)
class Branch:
    """A prefix with what is below it; or, alone below its own, a name: ``row`` is then what is called so."""

    name: str
    number: int
    figures: Mapping[str, Value]
    row: Any = None


def grouped(asked: Asked) -> Asked:
    """The same, asked of a list of branches."""
    return replace(asked, listing=_listing(asked.listing))


def branches(rows: Iterable[R], asked: Asked) -> list[Branch]:
    """The rows of a list, which is asked for with ``tree``, by the next part of their names."""
    listing: Listing[R] = asked.listing
    name, base = listing.columns[0].value, asked.prefix[: asked.prefix.rfind(".") + 1]
    below: dict[str, list[R]] = {}
    for row in rows:
        if listing.suits(row, asked):
            called = str(name(row))
            part, dot, _ = called[len(base) :].partition(".")
            below.setdefault(base + part + dot, []).append(row)
    return [_branch(listing, prefix, found) for prefix, found in below.items()]


def _branch(listing: Listing[R], prefix: str, rows: list[R]) -> Branch:
    alone = rows[0] if len(rows) == 1 else None
    name = prefix if alone is None else str(listing.columns[0].value(alone))
    return Branch(name, len(rows), {c.key: _together(c, rows) for c in listing.columns if c.summed is not None}, alone)


def _together(column: Column[R], rows: list[R]) -> Value:
    known = [value for row in rows if (value := column.value(row)) is not None]
    found: Value = column.summed(known) if known and column.summed is not None else None
    return found


def _listing(of: Listing[Any]) -> Listing[Branch]:
    first, *others = of.columns
    summed = [replace(c, value=_figure(c.key), live=False) for c in others if c.summed is not None]
    number = Column[Branch]("number", "Names", lambda branch: branch.number, style="n", fixed=True, looks="{:,}".format)
    name = replace(first, value=lambda branch: branch.name)
    return replace(of, columns=[name, number, *summed], identity=lambda branch: branch.name, suits=lambda branch, asked: True)


def _figure(key: str) -> Any:
    return lambda branch: branch.figures[key]
