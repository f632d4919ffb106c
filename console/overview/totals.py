"""All queues a person may see, added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from brokerweb.console.rows import QueueRow
from brokerweb.delivery import connections
from brokerweb.queues.browse import COUNTED
from brokerweb.queues.stats import RATES


@dataclass(slots=True)
class Totals:
    """The sums of rows."""

    queues: int = 0
    connections: int = 0
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    rates: dict[str, float] = field(default_factory=lambda: dict.fromkeys(RATES, 0.0))


def totals(listed: Iterable[QueueRow]) -> Totals:
    """The rows added up, and how many clients are connected."""
    sums = Totals(connections=connections.total())
    for row in listed:
        sums.queues += 1
        for name in COUNTED:
            sums.counts[name] += row.counts[name]
        for name in RATES:
            sums.rates[name] += row.rates[name]
    return sums
