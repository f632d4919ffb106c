"""brokerweb: a message broker that can be asked questions.

From Django code: ``brokerweb.queues``, ``brokerweb.topics``, and ``brokerweb.transact``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from brokerweb.routing.django import transact

__all__ = ["transact"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    # Lazily, since models cannot be imported while Django loads its apps.
    if name in __all__:
        from brokerweb.routing import django

        return getattr(django, name)
    raise AttributeError(name)
