"""Streams: ordered, persistent logs. Reading consumes nothing; consumer groups keep their own positions.

    from brokerweb import streams

    with transaction.atomic():
        order.save()
        streams.append("events", {"order": order.pk, "is": "paid"}, key=order.customer)

The record commits with the order, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.streams.django import (
        Part,
        Record,
        aappend,
        append,
        append_many,
        commit,
        committed,
        declare,
        declare_group,
        delete,
        delete_group,
        read,
        receive,
        seek,
        settle,
    )

__all__ = [
    "Part",
    "Record",
    "aappend",
    "append",
    "append_many",
    "commit",
    "committed",
    "declare",
    "declare_group",
    "delete",
    "delete_group",
    "read",
    "receive",
    "seek",
    "settle",
]


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads the app.
    if name in __all__:
        from brokerweb.streams import django

        return getattr(django, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
