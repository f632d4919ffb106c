"""The end of a connection on which the last word is said: what its client still sends is read away, so that it gets to see it.

To close while something is unread resets the connection, and with that a client may lose what it has not read yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

SILENCE = 10.0  # seconds until a connection ends of whose client nothing more is heard
LONGEST = 30.0  # seconds until it ends, whatever its client still sends


class Lingering:
    """Calls ``end`` once the client was silent for as long as ``silence``, or has had its time."""

    def __init__(self, end: Callable[[], object], silence: float = SILENCE) -> None:
        self._loop = asyncio.get_running_loop()
        self._end, self._silence = end, silence
        self._until = self._loop.time() + LONGEST
        self._heard = False
        self._timer = self._loop.call_later(silence, self._look)

    def heard(self) -> None:
        """The client has sent something."""
        self._heard = True

    def cancel(self) -> None:
        """The connection has ended."""
        self._timer.cancel()

    def _look(self) -> None:
        left = self._until - self._loop.time()
        if self._heard and left > 0:
            self._heard = False
            self._timer = self._loop.call_later(min(self._silence, left), self._look)
        else:
            self._end()
