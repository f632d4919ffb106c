"""Who holds what: the receipts of this process's subscriptions. On the loop."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Protocol


class Holder(Protocol):
    """One who holds leased messages of a queue."""

    queue_id: int

    def extend(self, receipts: Sequence[str], until: int) -> None:
        """These leases end at another instant."""

    def end(self, receipts: list[str]) -> None:
        """These leases are over."""


class Holders:
    """``by_receipt`` is written by the holders as messages come, and emptied here as leases end."""

    def __init__(self) -> None:
        self.by_receipt: dict[str, Holder] = {}

    def extend(self, extended: Iterable[tuple[str, int]]) -> None:
        """Leases with new deadlines, of holders anywhere."""
        held = ((holder, receipt, until) for receipt, until in extended if (holder := self.by_receipt.get(receipt)))
        for (holder, until), together in groupby(held, lambda extension: (extension[0], extension[2])):
            holder.extend([receipt for _, receipt, _ in together], until)

    def end(self, receipts: Iterable[str]) -> set[int]:
        """Leases that are over, of holders anywhere; the queues whose takers have room again."""
        by_receipt, by_holder = self.by_receipt, dict[Holder, list[str]]()
        for receipt in receipts:
            holder = by_receipt.pop(receipt, None)
            if holder is not None:
                ended = by_holder.get(holder)
                if ended is None:
                    by_holder[holder] = [receipt]
                else:
                    ended.append(receipt)
        for holder, ended in by_holder.items():
            holder.end(ended)
        return {holder.queue_id for holder in by_holder}
