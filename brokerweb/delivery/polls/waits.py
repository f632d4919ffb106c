"""The long polls of this process: each waits for one answer, and its caller's rights may end before that comes. On the loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brokerweb.core.alarms import Alarm
from brokerweb.core.errors import Unauthenticated
from brokerweb.identity.principal import Principal


class Poll:
    """One of them. ``end`` ends its wait."""

    def __init__(self, principal: Principal, end: Callable[[], object]) -> None:
        self.principal, self._end = principal, end
        self.refused = False

    def refuse(self) -> None:
        """Its caller's token or session has ended."""
        self.refused = True
        self._end()


_polls: set[Poll] = set()


@contextmanager
def entered(principal: Principal, end: Callable[[], object]) -> Iterator[None]:
    """Wait within this: ``end`` is called where the caller's rights end meanwhile, and Unauthenticated raised at its own."""
    poll = Poll(principal, end)
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
