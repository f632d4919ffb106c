"""Several messages as one, for handlers that take lists: they are held, done and failed together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, cast

import msgspec

from brokerweb.handlers.sources import Held, Source
from brokerweb.queues.messages import Settle, Settled
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.wakeups.hints import Hint

MOST = 1000  # messages that are leased at once


class Batch(list[Held]):
    """Messages as a handler is given them. To the runner they are one, whose receipt is all of theirs."""

    @property
    def id(self) -> str:
        return ", ".join(str(getattr(message, "id", "")) or f"{message.receipt}" for message in self)

    @property
    def receipt(self) -> str:
        return " ".join(message.receipt or "" for message in self)

    @property
    def lease(self) -> float:
        return min(message.lease or 0.0 for message in self)

    @property
    def attempts(self) -> int:
        return max(message.attempts for message in self)


class BatchedSource:
    """A source whose messages come in batches of ``size`` at most."""

    def __init__(self, source: Source, size: int) -> None:
        self._source, self._size = source, size
        self.name, self.handler = source.name, source.handler
        self.queue: str | None = getattr(source, "queue", None)
        self.prefetch, self.concurrency = source.prefetch, source.concurrency

    def works_on(self, message: Held) -> str:
        return self.handler.name

    def find(self, reads: Reads) -> int:
        return self._source.find(reads)

    def concerns(self, hint: Hint) -> bool:
        return self._source.concerns(hint)

    def ready(self, reads: Reads) -> bool:
        return self._source.ready(reads)

    def lease(self, tx: Transaction, limit: int, holder: str) -> tuple[Sequence[Held], bool]:
        leased, more = self._source.lease(tx, min(limit * self._size, MOST), holder)
        return cast(list[Held], list(self._batches(leased))), more

    def _batches(self, leased: Sequence[Held]) -> Iterator[Batch]:
        rest = iter(leased)
        while batch := Batch(islice(rest, self._size)):
            yield batch

    def settle(self, tx: Transaction, settles: Sequence[Settle]) -> list[Settled]:
        """A batch is lost where any of it is; what of it was still held is settled all the same, where that is committed."""
        parts = [msgspec.structs.replace(each, receipt=receipt) for each in settles for receipt in each.receipt.split()]
        answers: Iterator[Any] = iter(self._source.settle(tx, parts))
        return [self._together(each.receipt, list(islice(answers, len(each.receipt.split())))) for each in settles]

    def _together(self, receipt: str, parts: Sequence[Settled]) -> Settled:
        lost = next((part.status for part in parts if part.status != "ok"), None)
        until = [part.lease_until for part in parts if part.lease_until is not None]
        return Settled(receipt, lost or "ok", min(until, default=None))
