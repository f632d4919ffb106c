"""Point-to-point queues: a message is stored, leased to one consumer, acknowledged, and then gone.

    from brokerweb.queues import publish

    with transaction.atomic():
        order.save()
        publish("orders", {"id": order.pk}, key=order.customer)

The message commits with the order, or not at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.queues.django import (
        Received,
        apublish,
        declare,
        delete,
        publish,
        publish_many,
        purge,
        receive,
        settle,
    )

__all__ = ["Received", "apublish", "declare", "delete", "publish", "publish_many", "purge", "receive", "settle"]


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads the app.
    if name in __all__:
        from brokerweb.queues import django

        return getattr(django, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
