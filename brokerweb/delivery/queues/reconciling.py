"""Leases that ended elsewhere give their credit back: what is held here is compared with the store, in queues where that may be.

On the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from brokerweb.core import clock
from brokerweb.core.errors import BrokerError
from brokerweb.delivery.queues.desk import Desk
from brokerweb.delivery.queues.holders import Holders
from brokerweb.queues import duties
from brokerweb.storage.reading import aread

AT_ONCE = 500  # receipts of one read
PAUSE = 0.1  # seconds from one comparison to the next


class Reconciling:
    """One comparison at a time; what is asked for meanwhile is in the next."""

    def __init__(self, holders: Holders, desk: Desk) -> None:
        self._holders, self._desk = holders, desk
        self._wanted: set[int] = set()
        self._task: asyncio.Task[None] | None = None

    def of(self, queue_ids: Iterable[int]) -> None:
        """Leases of messages of these queues may have ended in another process."""
        self._wanted |= self._desk.of_these(queue_ids)
        if self._wanted and (self._task is None or self._task.done()):
            self._task = asyncio.get_running_loop().create_task(self._compare())

    async def _compare(self) -> None:
        while self._wanted:
            queue_ids, self._wanted = self._wanted, set()
            receipts = [receipt for receipt, holder in self._holders.by_receipt.items() if holder.queue_id in queue_ids]
            try:
                for i in range(0, len(receipts), AT_ONCE):
                    ended = await aread(duties.over, receipts[i : i + AT_ONCE], clock.now())
                    for queue_id in self._holders.end(ended):
                        self._desk.pump(queue_id)
            except BrokerError:
                self._wanted |= queue_ids
            await asyncio.sleep(PAUSE)
