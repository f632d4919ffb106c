"""brokerweb: a message broker that can be asked questions.

From Django code: ``brokerweb.queues``, ``brokerweb.streams``, ``brokerweb.topics``, ``brokerweb.transact``;
``brokerweb.consumer`` names handlers, which may raise ``brokerweb.Retry`` and ``brokerweb.Reject``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.handlers import Reject, Retry, consumer
    from brokerweb.routing.django import transact

__all__ = ["Reject", "Retry", "consumer", "transact"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads its apps.
    if name in ("Reject", "Retry", "consumer"):
        from brokerweb import handlers

        return getattr(handlers, name)
    if name in __all__:
        from brokerweb.routing import django

        return getattr(django, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
