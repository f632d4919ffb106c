"""What the list shows of tokens."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Q, QuerySet

from brokerweb.console.listing import Asked, Beyond
from brokerweb.identity import tokens
from brokerweb.identity.models import Token
from brokerweb.identity.principal import Principal

NEWEST = 2_000  # tokens that are sorted by other columns than when they were made


def some(principal: Principal, asked: Asked, beyond: Beyond) -> Sequence[Token]:
    """Tokens the person may see, by their ids."""
    found = _asked_for(principal, asked).order_by("pk" if beyond.upwards else "-pk")
    if beyond.id is not None:
        found = found.filter(pk__gt=beyond.id) if beyond.upwards else found.filter(pk__lt=beyond.id)
    return list(found[: beyond.limit])


def newest(principal: Principal, asked: Asked) -> Sequence[Token]:
    """Those that are sorted in memory."""
    return list(_asked_for(principal, asked)[:NEWEST])


def _asked_for(principal: Principal, asked: Asked) -> QuerySet[Token]:
    found = tokens.listing(principal)
    return found.filter(Q(name__icontains=asked.q) | Q(maker__icontains=asked.q)) if asked.q else found
