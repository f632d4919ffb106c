"""How much goes through topics, told by the outcomes of this process's commits, and what was refused, which no commit tells.

A refused publish that its caller's batch makes the committer try again counts again.
"""

from __future__ import annotations

from collections.abc import Callable

from brokerweb.core import events, remembered
from brokerweb.core.rates import Rates


class TopicStats(Rates):
    """Messages published, and those of them that no binding matched."""

    rated = known = (events.PUBLISHED, events.UNROUTED)

    def __call__(self, outcome: events.Outcome) -> None:
        self.add(outcome.topic_counts)


stats = TopicStats()
remembered.of_run(stats.begin)
rates, totals = stats.rates, stats.totals


def refused(topic_id: int, n: int) -> None:
    """``n`` messages were refused because no binding matched."""
    stats.add({(events.UNROUTED, topic_id): n})


def install() -> Callable[[], None]:
    """Listen to this process's commits; returns how to stop that."""
    return events.listen(stats)
