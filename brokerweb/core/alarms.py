"""What happens when the wall shows an instant that people stated, such as the end of a token. On the event loop.

The loop's own timers do not follow the wall: one that goes off too early waits on, and where the wall was set, all look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from weakref import WeakSet

from brokerweb.core import clock

LONGEST = 86_400.0  # seconds of one wait


class Alarm:
    """Calls ``ring(*args)`` once the wall shows ``instant``, at once where it has; until ``cancel``."""

    __slots__ = ("__weakref__", "_args", "_instant", "_loop", "_ring", "_timer")

    def __init__(self, instant: int, ring: Callable[..., object], *args: Any) -> None:
        self._instant, self._ring, self._args = instant, ring, args
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._left(), self._look)
        _set.add(self)

    def cancel(self) -> None:
        self._timer.cancel()
        _set.discard(self)

    def _left(self) -> float:
        return min(max(0.0, (self._instant - clock.wall()) / clock.SECOND), LONGEST)

    def _look(self) -> None:
        self._timer.cancel()
        left = self._left()
        if left:
            self._timer = self._loop.call_later(left, self._look)
        else:
            _set.discard(self)
            self._ring(*self._args)


_set: WeakSet[Alarm] = WeakSet()


def look_again() -> None:
    """The wall was set. On the loop; alarms of one that has ended are nobody's any more."""
    loop = asyncio.get_running_loop()
    for alarm in sorted((alarm for alarm in _set if alarm._loop is loop), key=lambda alarm: alarm._instant):
        alarm._look()
