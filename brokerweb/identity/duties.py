"""What identity does now and then, on every node: note when tokens were used, and forget old sign-in codes."""

from __future__ import annotations

import time

from django.db import transaction
from django.db.models import Q

from brokerweb.identity import authentication, signin
from brokerweb.identity.models import Token
from brokerweb.identity.threads import in_thread

EVERY = 60.0  # seconds: ``last_used_at`` is to the minute
_next_at = 0.0


async def tick(now: int) -> float:
    """Write what has gathered, at most once a minute however often it is called; seconds until the next."""
    global _next_at
    left = _next_at - time.monotonic()
    if left > 0:
        return left
    _next_at = time.monotonic() + EVERY
    await in_thread(flush, now)
    return EVERY


def flush(now: int) -> None:
    """Write ``last_used_at`` of the tokens used since the last time, and remove old codes."""
    used = authentication.take_used()
    if used:
        with transaction.atomic():
            for token_id, used_at in used.items():
                earlier = Q(last_used_at=None) | Q(last_used_at__lt=used_at)
                Token.objects.filter(earlier, pk=token_id).update(last_used_at=used_at)
    signin.forget_old_codes(now)
