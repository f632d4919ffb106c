"""How often something happens per second, and totals since the process started, of queues, streams and topics.

Rates are of the whole cluster, as far as other nodes have told theirs; totals are this process's, so that they add up over nodes.
Memory is bounded by those that exist: one whose removal was told of is forgotten.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence, Set

from brokerweb.core import clock, events

WINDOW = 10  # seconds
Counts = dict[tuple[str, int], int]


class Rates:
    """A ring of one bucket a second, and totals. Safe to use from any thread."""

    rated: tuple[str, ...] = ()  # the events that ``rates`` answers for
    known: tuple[str, ...] = ()  # the events that ``sums`` always names

    def __init__(self, monotonic: Callable[[], int] = clock.monotonic) -> None:
        self._monotonic = monotonic
        self._mutex = threading.Lock()
        self._ring: list[tuple[int, Counts]]
        self._totals: Counts
        self._gone: dict[str, int]  # what those that are no more had counted
        self._elsewhere: dict[str, dict[int, Sequence[float]]]  # node -> id -> rates, in the order of ``rated``
        self.begin()

    def begin(self) -> None:
        """Nothing has happened yet."""
        with self._mutex:
            self._ring = [(-1, {})] * (WINDOW + 1)
            self._totals, self._gone, self._elsewhere = {}, {}, {}

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

    def rates(self, of: int) -> dict[str, float]:
        """Events per second over the last ten seconds, by name."""
        now = self._monotonic()
        with self._mutex:
            shares = [(share, bucket) for second, bucket in self._ring if (share := _share(second, now)) > 0]
            sums = {name: sum(share * bucket.get((name, of), 0) for share, bucket in shares) for name in self.rated}
        rates = {name: round(n / WINDOW, 2) for name, n in sums.items()}
        for told in self._elsewhere.values():
            if (others := told.get(of)) is not None:
                self._add(rates, others)
        return rates

    def by_id(self) -> dict[int, dict[str, float]]:
        """The same of all of which anything happened, by one look."""
        return self._with_others(self.here())

    def elsewhere(self) -> dict[int, dict[str, float]]:
        """The same of what happened at other nodes, as they told."""
        return self._with_others({})

    def _with_others(self, found: dict[int, dict[str, float]]) -> dict[int, dict[str, float]]:
        for told in self._elsewhere.values():
            for of, others in told.items():
                self._add(found.setdefault(of, dict.fromkeys(self.rated, 0.0)), others)
        return found

    def here(self) -> dict[int, dict[str, float]]:
        """The same of what happened in this process."""
        now, sums = self._monotonic(), dict[int, dict[str, float]]()
        with self._mutex:
            for share, bucket in [(share, bucket) for second, bucket in self._ring if (share := _share(second, now)) > 0]:
                for (name, of), n in bucket.items():
                    if name in self.rated:
                        found = sums.setdefault(of, dict.fromkeys(self.rated, 0.0))
                        found[name] += share * n
        return {of: {name: round(n / WINDOW, 2) for name, n in found.items()} for of, found in sums.items()}

    def told(self, node: str, rows: Iterable[Sequence[float]] | None) -> None:
        """What happens at another node, as rows of an id and its rates; None where that node is there no more."""
        elsewhere = {name: told for name, told in self._elsewhere.items() if name != node}
        if rows is not None:
            elsewhere[node] = {int(of): rates for of, *rates in rows}
        self._elsewhere = elsewhere

    def _add(self, rates: dict[str, float], others: Sequence[float]) -> None:
        for name, n in zip(self.rated, others, strict=True):
            rates[name] = round(rates[name] + n, 2)

    def totals(self) -> Counts:
        """(event, id) -> how many since the process started, of what still has a row."""
        with self._mutex:
            return dict(self._totals)

    def sums(self) -> dict[str, int]:
        """Event -> how many since the process started, of all, those that are no more included."""
        with self._mutex:
            sums = dict.fromkeys(self.known, 0) | self._gone
            for (name, _), n in self._totals.items():
                sums[name] = sums.get(name, 0) + n
            return sums

    def keep(self, there: Set[int]) -> None:
        """Forget those that are no more, whose removal was another node's to tell; ``there`` may lack some that are new."""
        newest = max(there, default=0)
        with self._mutex:
            for of in {of for _, of in self._totals if of <= newest and of not in there}:
                self._forget(of)

    def _forget(self, of: int) -> None:
        for key in [key for key in self._totals if key[1] == of]:
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
