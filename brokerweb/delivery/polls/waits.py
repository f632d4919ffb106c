"""The long polls of this process: each waits for one answer, and its caller's rights may end before that comes. On the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from brokerweb.core import clock
from brokerweb.core.errors import Unauthenticated
from brokerweb.identity.principal import Principal


class Poll:
    """One of them. ``gone`` ends its wait."""

    def __init__(self, principal: Principal, gone: asyncio.Event) -> None:
        self.principal, self._gone = principal, gone
        self.refused = False

    def refuse(self) -> None:
        """Its caller's token or session has ended."""
        self.refused = True
        self._gone.set()


_polls: set[Poll] = set()


@contextmanager
def entered(principal: Principal, gone: asyncio.Event) -> Iterator[None]:
    """Wait within this. Raises Unauthenticated at its end if the caller's rights have ended meanwhile."""
    poll = Poll(principal, gone)
    timer = _at_expiry(poll)
    _polls.add(poll)
    try:
        yield
    finally:
        _polls.discard(poll)
        if timer is not None:
            timer.cancel()
    if poll.refused:
        raise Unauthenticated("the token or session has ended")


def live() -> list[Poll]:
    return list(_polls)


def _at_expiry(poll: Poll) -> asyncio.TimerHandle | None:
    expires_at = poll.principal.expires_at
    if expires_at is None:
        return None
    left = max(0.0, (expires_at - clock.now()) / clock.SECOND)
    return asyncio.get_running_loop().call_later(left, poll.refuse)
