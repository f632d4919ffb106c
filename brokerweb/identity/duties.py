"""What identity does now and then: every node notes when tokens were used, one forgets old sign-in codes and sessions."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from brokerweb.core import clock
from brokerweb.identity import attempts, authentication, signin
from brokerweb.identity.models import Token
from brokerweb.identity.threads import in_thread

EVERY = 60.0  # seconds


async def tick(now: int) -> float:
    """Write what has gathered; seconds until the next."""
    await in_thread(flush, now)
    return EVERY


def flush(now: int) -> None:
    """Write ``last_used_at``, to the minute, of the tokens used here since the last time."""
    used = authentication.take_used()
    if used:
        with transaction.atomic():
            for token_id, used_at in sorted(used.items()):  # so that two nodes do not wait for each other
                # Also one of the future, which the wall was set back from.
                earlier = Q(last_used_at=None) | Q(last_used_at__lt=used_at - clock.seconds(EVERY)) | Q(last_used_at__gt=used_at)
                Token.objects.filter(earlier, pk=token_id).update(last_used_at=used_at)


async def forget(now: int) -> float:
    """Forget what has ended; seconds until the next."""
    await in_thread(forget_old, now)
    return EVERY


def forget_old(now: int) -> None:
    """Remove sign-in codes, sessions and counts of guesses that have ended."""
    attempts.forget_old()
    # As the wall was a day ago: what it is set to must have stood for a day before anything is removed for it.
    day_ago = clock.wall_at(now - clock.seconds(86_400))
    signin.forget_old_codes(day_ago)
    signin.forget_old_sessions(day_ago)
