"""Lists of what has a name: by name, those with a prefix, page by page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from django.db.models import Model, QuerySet

from brokerweb.core.cursors import digest, seal, unseal

M = TypeVar("M", bound=Model)


class Page(NamedTuple, Generic[M]):
    """Some rows, and the cursor of the page after; None when there is none."""

    items: list[M]
    next: str | None


def by_name(rows: QuerySet[M], prefix: str = "", after: str = "") -> QuerySet[M]:
    """The rows whose names begin with ``prefix`` and come behind ``after``."""
    # Not "startswith": on SQLite that is LIKE, which takes upper and lower case for the same.
    chosen = rows.filter(name__gt=after).order_by("name")
    return chosen.filter(name__gte=prefix, name__lt=prefix + chr(0x10FFFF)) if prefix else chosen


def page(
    kind: str, rows: QuerySet[M], prefix: str, *, after: str | None, limit: int, visible: Callable[[str], bool] = lambda _: True
) -> Page[M]:
    """A page of them; ``visible`` says which the caller may know of. Raises Invalid for a cursor of another list."""
    listed = digest(kind, prefix)
    items: list[M] = []
    for row in by_name(rows, prefix, "" if after is None else unseal(after, listed)).iterator(chunk_size=200):
        if visible(_name(row)):
            if len(items) == limit:
                return Page(items, seal(listed, _name(items[-1])))
            items.append(row)
    return Page(items, None)


def _name(row: Any) -> str:
    return str(row.name)
