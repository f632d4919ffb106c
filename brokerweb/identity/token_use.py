"""On which days a token was used, and for how long: minutes of each of the last thirty days.

Nothing is written for a call: that a token is in use is known from the asking of the store every few seconds, and a duty writes
it each minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from django.db.models import F

from brokerweb.core import clock
from brokerweb.identity.models import TokenDay

DAYS = 30  # that are shown; a few more are kept
_KEPT = 35
_DAY = clock.seconds(86_400)
_MINUTE = clock.seconds(60)


class Use(NamedTuple):
    """One day: its beginning, and in how many of its minutes the token was used."""

    at: int
    minutes: int


def note(token_id: int, used_at: int) -> None:
    """The token was used at that instant. In the caller's transaction."""
    day, within = divmod(used_at, _DAY)
    minute = within // _MINUTE
    days = TokenDay.objects.filter(token=token_id, day=day)
    if not days.filter(minute__lt=minute).update(minutes=F("minutes") + 1, minute=minute):
        first = TokenDay(token_id=token_id, day=day, minute=minute, minutes=1)
        TokenDay.objects.bulk_create([first], ignore_conflicts=True)


def read(token_ids: Iterable[int], now: int) -> Mapping[int, list[Use]]:
    """The last days of each token, the oldest first, today last; by one statement."""
    today = now // _DAY
    found = TokenDay.objects.filter(token__in=list(token_ids), day__gt=today - DAYS, day__lte=today)
    minutes = {(row.token_id, row.day): row.minutes for row in found}
    days = range(today - DAYS + 1, today + 1)
    return {id: [Use(day * _DAY, minutes.get((id, day), 0)) for day in days] for id in token_ids}


def forget_old_days(now: int) -> int:
    """Remove days that are not shown any more; how many."""
    old = TokenDay.objects.filter(day__lt=now // _DAY - _KEPT)
    return old.delete()[0] if old.exists() else 0  # no write where there is nothing
