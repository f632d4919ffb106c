"""When the leases of a subscription end. What has been settled since costs nothing for long."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush

SLACK = 1000  # receipts listed beyond twice those held, before the list is cleaned


class Deadlines:
    """Receipts by the instant their lease ends. Only those ``held`` count, and of a receipt only what was said last."""

    def __init__(self, held: Collection[str]) -> None:
        self._held = held
        self._heap: list[tuple[int, Sequence[str]]] = []
        self._extended: dict[str, int] = {}
        self._listed = 0  # receipts in the heap

    def add(self, receipts: Sequence[str], until: int) -> None:
        """Leases that begin."""
        heappush(self._heap, (until, receipts))
        self._listed += len(receipts)
        if self._listed > 2 * len(self._held) + SLACK:
            self._clean()

    def extend(self, receipts: Sequence[str], until: int) -> None:
        """Leases that end at another instant than was said before."""
        self._extended.update(dict.fromkeys(receipts, until))
        self.add(receipts, until)

    def forget(self, receipts: Sequence[str]) -> None:
        """Leases that are over, and held no more."""
        if not self._held:
            self._heap.clear()
            self._extended.clear()
            self._listed = 0
        elif self._extended:
            for receipt in receipts:
                self._extended.pop(receipt, None)

    @property
    def first(self) -> int | None:
        """No lease ends before this."""
        return self._heap[0][0] if self._heap else None

    def over(self, now: int) -> list[str]:
        """The leases that have ended by now, each once."""
        ended: dict[str, None] = {}
        while self._heap and self._heap[0][0] <= now:
            until, receipts = heappop(self._heap)
            self._listed -= len(receipts)
            ended.update(dict.fromkeys(r for r in receipts if self._counts(r, until)))
        return list(ended)

    def _counts(self, receipt: str, until: int) -> bool:
        return receipt in self._held and self._extended.get(receipt, until) == until

    def _clean(self) -> None:
        left = ((until, [r for r in dict.fromkeys(receipts) if self._counts(r, until)]) for until, receipts in self._heap)
        self._heap = [(until, receipts) for until, receipts in left if receipts]
        heapify(self._heap)
        self._listed = sum(len(receipts) for _, receipts in self._heap)
