"""What happens in queues per second, and totals since the process started; told by the outcomes of its commits.

``install()`` makes the process's one ``Stats`` listen.
"""

from __future__ import annotations

from collections.abc import Callable

from brokerweb.core import events, remembered
from brokerweb.core.rates import Rates

RATES = (events.PUBLISHED, events.DELIVERED, events.ACKED, events.FAILED)


class Stats(Rates):
    """What happens in queues."""

    rated, known = RATES, events.QUEUE_EVENTS

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        self.add(outcome.counts)


stats = Stats()
remembered.of_run(stats.begin)
rates, by_id, totals, sums = stats.rates, stats.by_id, stats.totals, stats.sums


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(stats)
