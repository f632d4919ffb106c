"""What a commit frees, the same commit fills: who settled has the next ready messages without a look of its own.

A cycle of a small window is one commit instead of two. It is the batch's last verb, so that nothing it leases overtakes what
was published in the batch. Where it does not come to something, or not to all of it, the dispatchers look as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from brokerweb.core import events
from brokerweb.core.errors import NotFound
from brokerweb.delivery.queues.desk import Desk
from brokerweb.delivery.queues.holders import Holders
from brokerweb.delivery.queues.room import Book
from brokerweb.handout.lease import lease_to
from brokerweb.storage.transaction import Transaction

MOST = 1000  # messages leased so in one commit, which those wait for whose calls are in it
QUEUES = 32  # looked at for it
FREEING = frozenset({events.ACKED, events.FAILED, events.RELEASED, events.DEAD, events.EXPIRED, events.PURGED})


class Refilling:
    """The verb. On the committer's thread; what it reads of the loop's may be a moment old, which costs a look at most."""

    def __init__(self, book: Book, holders: Holders, desk: Desk) -> None:
        self._book, self._holders, self._desk = book, holders, desk

    def __call__(self, tx: Transaction) -> None:
        """Lease to all who have room, that of leases which end with this commit included."""
        left = MOST
        freed: dict[int, list[str]] | None = None
        for queue_id, news in self._worth_a_round(tx.outcome):
            if freed is None:
                freed = self._by_queue(tx.outcome.ended)
            reserved = self._book.reserve_freed(queue_id, freed.get(queue_id, ()), self._holders.by_receipt, left)
            if not reserved:
                continue
            try:
                rest = lease_to(tx, self._book, queue_id, reserved)
            except NotFound:  # it was deleted in this very commit, and its takers will hear of that
                continue
            tx.outcome.rounds.append((queue_id, news, rest))
            left -= sum(n for _, n, _ in reserved)
            if left <= 0:
                break

    def _worth_a_round(self, outcome: events.Outcome) -> Iterator[tuple[int, int]]:
        """Queues whose takers may have room now while something may be ready, each with its dispatcher's news."""
        touched = {queue_id for event, queue_id in outcome.counts if event in FREEING} | outcome.ready
        for _, queue_id in zip(range(QUEUES), touched, strict=False):
            news = self._desk.news(queue_id, ready=queue_id in outcome.ready)
            if news is not None:
                yield queue_id, news

    def _by_queue(self, ended: Sequence[str]) -> dict[int, list[str]]:
        """The receipts of subscriptions here, by queue."""
        by_receipt, found = self._holders.by_receipt, dict[int, list[str]]()
        for receipt in ended:
            holder = by_receipt.get(receipt)
            if holder is not None:
                found.setdefault(holder.queue_id, []).append(receipt)
        return found
