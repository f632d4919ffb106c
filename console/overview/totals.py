"""All queues a person may see, added up."""

from __future__ import annotations

from dataclasses import dataclass, field
from operator import itemgetter

from brokerweb.console.queues.reading import Figures
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


def totals(figures: Figures) -> Totals:
    """The figures added up, and how many clients are connected."""
    counts, rates = figures.counts, figures.rates
    sums = Totals(len(counts), connections.total())
    for name in COUNTED:
        sums.counts[name] = sum(map(itemgetter(name), counts.values()))
    for moving in filter(None, map(rates.get, counts)):
        for name in RATES:
            sums.rates[name] += moving[name]
    return sums
