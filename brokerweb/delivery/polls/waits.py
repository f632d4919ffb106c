"""The long polls of this process: each waits for one answer, and its caller's rights may end before that comes. On the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from brokerweb.core.alarms import Alarm
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
    alarm = None if principal.expires_at is None else Alarm(principal.expires_at, poll.refuse)
    _polls.add(poll)
    try:
        yield
    finally:
        _polls.discard(poll)
        if alarm is not None:
            alarm.cancel()
    if poll.refused:
        raise Unauthenticated("the token or session has ended")


def live() -> list[Poll]:
    return list(_polls)
