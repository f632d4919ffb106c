"""The tails of one process, each there for as long as somebody follows it; and who wants to hear that a stream changed.

On the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from brokerweb.core.errors import BrokerError
from brokerweb.delivery.streams.tail import Follower, Tail
from brokerweb.storage.reading import aread
from brokerweb.streams.reading import end_of
from brokerweb.streams.records import StoredRecord

READ_RETRY = 0.5  # seconds after a read that failed


class Tails:
    """Followers come by ``follow`` and go by ``leave``."""

    def __init__(self) -> None:
        self._tails: dict[int, Tail] = {}  # by partition id
        self._watches: dict[Callable[[], None], int] = {}  # who follows a whole stream -> its id
        self._tasks: set[asyncio.Task[None]] = set()

    def follow(self, partition_id: int, follower: Follower) -> Tail:
        """The live end of a partition, which has one follower more; that one is not live yet."""
        tail = self._tails.get(partition_id)
        if tail is None:
            tail = self._tails[partition_id] = Tail(partition_id)
        tail.followers.add(follower)
        return tail

    def leave(self, tail: Tail, follower: Follower) -> None:
        """The follower hears no more of it."""
        tail.live.discard(follower)
        tail.followers.discard(follower)
        if not tail.followers:
            self._tails.pop(tail.partition_id, None)

    def read_end(self, tail: Tail) -> None:
        """Find out how far the partition goes: after a follower read that, and before the tail was there to be told, something
        may have been appended."""
        if not tail.asked:
            tail.asked = True
            task = asyncio.get_running_loop().create_task(self._read_end(tail))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _read_end(self, tail: Tail) -> None:
        while tail.followers:
            try:
                tail.known(await aread(end_of, tail.partition_id))
                return
            except BrokerError:
                await asyncio.sleep(READ_RETRY)

    def append(self, appended: Iterable[tuple[int, int, list[StoredRecord]]]) -> None:
        """Records that were committed: partition id, first offset, records."""
        for partition_id, first, records in appended:
            tail = self._tails.get(partition_id)
            if tail is not None:
                tail.appended(first, records)

    async def refresh(self) -> None:
        """Find out what other processes have appended, and tell whoever watches that they may have changed something."""
        for tail in list(self._tails.values()):
            tail.known(await aread(end_of, tail.partition_id))
        self.changed()

    def watch(self, stream_id: int, on_change: Callable[[], None]) -> Callable[[], None]:
        """Call ``on_change`` when the stream may have been changed or deleted, and at a drain; returns how to stop that."""
        self._watches[on_change] = stream_id

        def stop() -> None:
            self._watches.pop(on_change, None)

        return stop

    def changed(self, stream_ids: set[int] | None = None) -> None:
        """These streams were changed or deleted, or any may have been."""
        for on_change, stream_id in list(self._watches.items()):
            if stream_ids is None or stream_id in stream_ids:
                on_change()
