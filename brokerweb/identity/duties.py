"""What identity does now and then, on every node: note when tokens were used, and forget old sign-in codes and sessions."""

from __future__ import annotations

from django.db import transaction
from django.db.models import Q

from brokerweb.core import clock
from brokerweb.identity import authentication, signin
from brokerweb.identity.models import Token
from brokerweb.identity.threads import in_thread

EVERY = 60.0  # seconds


async def tick(now: int) -> float:
    """Write what has gathered; seconds until the next."""
    await in_thread(flush, now)
    return EVERY


def flush(now: int) -> None:
    """Write ``last_used_at``, to the minute, of the tokens used since the last time, and remove old codes and sessions."""
    used = authentication.take_used()
    if used:
        with transaction.atomic():
            for token_id, used_at in used.items():
                # Also one of the future, which the wall was set back from.
                earlier = Q(last_used_at=None) | Q(last_used_at__lt=used_at - clock.seconds(EVERY)) | Q(last_used_at__gt=used_at)
                Token.objects.filter(earlier, pk=token_id).update(last_used_at=used_at)
    # As the wall was a day ago: what it is set to must have stood for a day before anything is removed for it.
    day_ago = clock.wall_at(now - clock.seconds(86_400))
    signin.forget_old_codes(day_ago)
    signin.forget_old_sessions(day_ago)
