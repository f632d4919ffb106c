"""Which requests are the broker's own, in a project that has views besides.

The broker's own share its threads and limits, and no setting of the project wraps them in a transaction. All others are the
project's, whose settings decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from django.conf import settings
from django.urls import Resolver404, URLPattern, URLResolver, resolve

from brokerweb.conf import OWN_URLS

P = TypeVar("P", bound=URLPattern | URLResolver)


class _EveryDatabase(set[str]):
    """What ``non_atomic_requests`` notes on a view, for all databases that a project may have."""

    def __contains__(self, alias: object) -> bool:
        return True


def own(patterns: Sequence[P]) -> list[P]:
    """The patterns, whose views are the broker's; those of an ``include`` have been marked where they stand."""
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            view: Any = pattern.callback
            view.is_brokerwebs = True
            view._non_atomic_requests = _EveryDatabase()  # a transaction takes the write lock, which reads need not
    return list(patterns)


def is_own(path: str) -> bool:
    """Whether one of the broker's views answers there."""
    if settings.ROOT_URLCONF == OWN_URLS:
        return True
    try:
        return getattr(resolve(path).func, "is_brokerwebs", False)
    except Resolver404:
        return False
