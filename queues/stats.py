"""What happens per second, and totals since the process started; told by the outcomes of its commits.

``install()`` makes the process's one ``Stats`` listen. Memory is bounded by the queues that exist: a removed one is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from brokerweb.core import clock, events

WINDOW = 10  # seconds
RATES = (events.PUBLISHED, events.DELIVERED, events.ACKED, events.FAILED)
Counts = dict[tuple[str, int], int]


class Stats:
    """A ring of one bucket a second, and totals. Safe to use from any thread."""

    rated: tuple[str, ...] = RATES

    def __init__(self, monotonic: Callable[[], int] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._ring: list[tuple[int, Counts]] = [(-1, {})] * (WINDOW + 1)
        self._totals: Counts = {}
        self._gone: dict[str, int] = {}  # what queues that are no more had counted

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        self.add(outcome.counts)

    def add(self, counts: Counts) -> None:
        """Count what happened just now."""
        if not counts:
            return
        with self._mutex:
            bucket = self._bucket(self._monotonic() // clock.SECOND)
            for key, n in counts.items():
                if key[0] == events.REMOVED:
                    self._forget(key[1])
                    continue
                bucket[key] = bucket.get(key, 0) + n
                self._totals[key] = self._totals.get(key, 0) + n

    def rates(self, queue_id: int) -> dict[str, float]:
        """Events per second over the last ten seconds: published, delivered, acked, failed."""
        now = self._monotonic()
        with self._mutex:
            shares = [(share, bucket) for second, bucket in self._ring if (share := _share(second, now)) > 0]
            sums = {name: sum(share * bucket.get((name, queue_id), 0) for share, bucket in shares) for name in self.rated}
        return {name: round(n / WINDOW, 2) for name, n in sums.items()}

    def totals(self) -> Counts:
        """(event, queue id) -> how many since the process started, of queues that still have a row."""
        with self._mutex:
            return dict(self._totals)

    def sums(self) -> dict[str, int]:
        """Event -> how many since the process started, in all queues, those that are no more included."""
        with self._mutex:
            sums = dict.fromkeys(events.QUEUE_EVENTS, 0) | self._gone
            for (name, _), n in self._totals.items():
                sums[name] = sums.get(name, 0) + n
            return sums

    def _forget(self, queue_id: int) -> None:
        for key in [key for key in self._totals if key[1] == queue_id]:
            self._gone[key[0]] = self._gone.get(key[0], 0) + self._totals.pop(key)

    def _bucket(self, second: int) -> Counts:
        place = second % len(self._ring)
        if self._ring[place][0] != second:
            self._ring[place] = (second, {})
        return self._ring[place][1]


def _share(second: int, now: int) -> float:
    """How much of a bucket's second lies within the window that ends now."""
    start = second * clock.SECOND
    left = now - WINDOW * clock.SECOND
    return max(0.0, min(1.0, (start + clock.SECOND - left) / clock.SECOND)) if second >= 0 else 0.0


stats = Stats()
rates, totals, sums = stats.rates, stats.totals, stats.sums


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(stats)
