"""What happens in streams per second, and totals since the process started; told by the outcomes of its commits.

``install()`` makes the process's one ``StreamStats`` listen.
"""

from __future__ import annotations

from collections.abc import Callable

from brokerweb.core import events, remembered
from brokerweb.core.rates import Rates


class StreamStats(Rates):
    """Records appended, and those that retention and compaction took."""

    rated, known = events.STREAM_EVENTS, events.STREAM_EVENTS

    def __call__(self, outcome: events.Outcome) -> None:
        """Listen to one commit."""
        self.add(outcome.stream_counts)


stats = StreamStats()
remembered.of_run(stats.begin)
rates, by_id, totals, sums = stats.rates, stats.by_id, stats.totals, stats.sums


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(stats)
