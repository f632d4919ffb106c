"""The tails of one process, each there for as long as somebody follows it; and who wants to hear that a stream changed.

On the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from brokerweb.core.errors import BrokerError
from brokerweb.delivery.streams.tail import Follower, Tail
from brokerweb.storage.reading import aread
from brokerweb.streams.reading import end_of, ends_among, sizes_among
from brokerweb.streams.records import StoredRecord

READ_RETRY = 0.5  # seconds after a read that failed


class Tails:
    """Followers come by ``follow`` and go by ``leave``."""

    def __init__(self) -> None:
        self._tails: dict[int, Tail] = {}  # by partition id
        self._watches: dict[Callable[[], None], int] = {}  # who follows a whole stream -> its id
        self._tasks: set[asyncio.Task[None]] = set()
        self._behind: set[int] = set()  # partitions of which to read how far they go
        self._looking = False
        self._sizes: dict[int, int] = {}  # watched streams, and how many partitions they had when that was last looked up

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
        await self._read_ends(self._tails)
        self.changed()

    async def look_up(self) -> None:
        """The same by a statement or two, where it is asked for again and again: of streams whose partitions are the same nobody
        is told."""
        await self._read_ends(self._tails)
        watched = set(self._watches.values())
        sizes = dict(await aread(sizes_among, watched)) if watched else {}
        self.changed({stream_id for stream_id in watched if sizes.get(stream_id) != self._sizes.get(stream_id, -1)})
        self._sizes = sizes

    def look(self, partition_ids: Iterable[int]) -> None:
        """Another process has appended to these; while a read is under way the next waits for it."""
        self._behind |= self._tails.keys() & partition_ids
        if self._behind and not self._looking:
            self._looking = True
            task = asyncio.get_running_loop().create_task(self._look())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _look(self) -> None:
        while self._behind:
            partition_ids, self._behind = self._behind, set()
            try:
                await self._read_ends(partition_ids)
            except BrokerError:
                self._behind |= partition_ids
                await asyncio.sleep(READ_RETRY)
        self._looking = False

    async def _read_ends(self, partition_ids: Iterable[int]) -> None:
        asked = list(partition_ids)
        for partition_id, end in await aread(ends_among, asked) if asked else ():
            tail = self._tails.get(partition_id)
            if tail is not None:
                tail.known(end)

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
