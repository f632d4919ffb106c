"""What identity does now and then: nodes note when tokens were used and people seen; one forgets old codes and sessions."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import Q

from brokerweb import conf
from brokerweb.core import clock
from brokerweb.identity import attempts, authentication, signin, token_use, trail, users
from brokerweb.identity.models import Person, Token
from brokerweb.identity.threads import in_thread

EVERY, AGAIN = 60.0, 1.0  # seconds until the next turn, and where it left something


async def tick(now: int) -> float:
    """Write what has gathered; seconds until the next."""
    await in_thread(flush, now)
    return EVERY


def flush(now: int) -> None:
    """Write, to the minute, when tokens were used here and people seen, since the last time."""
    _flush_seen()
    used = authentication.take_used()
    if used:
        with transaction.atomic():
            there = Token.objects.filter(pk__in=used).order_by("pk")  # in order, so that two nodes do not wait for each other
            for token_id, used_at in [(pk, used[pk]) for pk in there.values_list("pk", flat=True)]:
                # Also one of the future, which the wall was set back from.
                earlier = Q(last_used_at=None) | Q(last_used_at__lt=used_at - clock.seconds(EVERY)) | Q(last_used_at__gt=used_at)
                Token.objects.filter(earlier, pk=token_id).update(last_used_at=used_at)
                token_use.note(token_id, used_at)


def _flush_seen() -> None:
    """``last_seen_at`` of people who are there still."""
    if not (seen := users.take_seen()):
        return
    there = get_user_model()._default_manager.filter(pk__in=seen).order_by("pk").values_list("pk", flat=True)
    rows = [Person(user_id=pk, last_seen_at=seen[pk]) for pk in there]
    with transaction.atomic():
        Person.objects.bulk_create(rows, update_conflicts=True, unique_fields=["user"], update_fields=["last_seen_at"])


async def forget(now: int) -> float:
    """Forget what has ended; seconds until the next."""
    more = await in_thread(forget_old, now)
    return AGAIN if more else EVERY


def forget_old(now: int) -> bool:
    """Remove codes, sessions, counts and days that have ended, and the oldest of the audit trail; whether more have."""
    attempts.forget_old()
    # As the wall was a day ago: what it is set to must have stood for a day before anything is removed for it.
    day_ago = clock.wall_at(now - clock.seconds(86_400))
    signin.forget_old_codes(day_ago)
    signin.forget_old_sessions(day_ago)
    token_use.forget_old_days(day_ago)
    return trail.forget_old(day_ago - clock.seconds((conf.get().audit_days - 1) * trail.DAY))
