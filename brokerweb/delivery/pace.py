"""How many messages or records a second one subscription is given."""

from __future__ import annotations

from collections import deque

from brokerweb.core import clock

EVERY = 2.0  # seconds between notes
KEPT = 6  # of them: a rate is of the last ten seconds or so, since what is given may come in bursts


class Pace:
    """``given`` is counted up where something is delivered, and noted every ``EVERY`` seconds. From any thread."""

    __slots__ = ("_notes", "given")

    def __init__(self) -> None:
        self.given = 0
        self._notes = deque([(clock.monotonic(), 0)], KEPT)

    def note(self, at: int) -> None:
        """What was given until that instant, by ``clock.monotonic``."""
        self._notes.append((at, self.given))

    def rate(self) -> float:
        """Over the last ten to twelve seconds, or since it began."""
        at, given = self._notes[0]
        return round((self.given - given) / max((clock.monotonic() - at) / clock.SECOND, 1.0), 2)
