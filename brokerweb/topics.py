"""Topics from Django code: one publish is copied to every bound queue and stream.

    from brokerweb import topics

    with transaction.atomic():
        order.save()
        topics.publish("orders", {"id": order.pk}, routing_key="orders.eu.created")

The copies commit with the order, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.routing.django import bind, declare, delete, publish, unbind

__all__ = ["bind", "declare", "delete", "publish", "unbind"]


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads its apps.
    if name in __all__:
        from brokerweb.routing import django

        return getattr(django, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
