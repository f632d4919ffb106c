"""Routing: topics copy one publish to many, and ``transact`` settles, commits and publishes in one commit.

    from brokerweb.routing import publish, transact

    with transaction.atomic():
        order.save()
        publish("orders", {"id": order.pk}, routing_key="orders.eu.created")

The copies commit with the order, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.routing.django import publish, transact

__all__ = ["publish", "transact"]


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads the app.
    if name in __all__:
        from brokerweb.routing import django

        return getattr(django, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
