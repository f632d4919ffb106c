"""The broker's clock of a node on PostgreSQL: the database's, so that all nodes have one."""

from __future__ import annotations

from collections import deque
from typing import Any

from brokerweb.core import clock

KEPT = 64  # readings, of which the one that took least tells best
FRESH = 20_000  # microseconds for which one is enough, however many transactions begin


class DatabaseClock(clock.Clock):
    """The monotonic clock, held against the database's with the transactions. The wall is the database's, too.

    It never goes back within this process. Safe to use from any thread.
    """

    def __init__(self, at: int, took: int) -> None:
        """``at`` is what the database said now, ``took`` how long ago it was asked, in microseconds."""
        super().__init__(at - took // 2 - clock.monotonic() + took)
        self._readings: deque[tuple[int, int]] = deque(maxlen=KEPT)
        self._latest = 0
        self._read_at: int | None = None  # by the monotonic clock

    def observe(self, at: int, before: int, after: int) -> None:
        """The database said ``at`` to a question asked at ``before`` and answered at ``after``, by the monotonic clock."""
        took, offset = after - before, at - (before + after) // 2
        best = min(tuple(self._readings), default=(took, offset))
        if abs(offset - best[1]) > (took + best[0]) // 2 + 1:
            self._readings.clear()  # both cannot be true: this machine stood still, or it is another server by now
        self._readings.append((took, offset))
        self._read_at = after
        self.offset = min(tuple(self._readings), default=(took, offset))[1]

    @property
    def fresh(self) -> bool:
        """Whether it was held against the database's a moment ago."""
        return self._read_at is not None and clock.monotonic() - self._read_at < FRESH

    def told(self, answer: Any, before: int, after: int) -> None:
        """``observe`` what a statement answered."""
        [[at]] = answer.fetchall()
        self.observe(at, before, after)

    def now(self) -> int:
        now = clock.monotonic() + self.offset
        if now < self._latest:
            return self._latest
        self._latest = now
        return now

    def follow(self) -> None:
        """The machine's wall clock is of no interest here."""
