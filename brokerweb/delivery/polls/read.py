"""Read a stream for one answer: what is there, or the first records to come."""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from brokerweb.core.errors import Invalid
from brokerweb.delivery import hub
from brokerweb.delivery.streams.tail import Run, Tail
from brokerweb.delivery.streams.tails import Tails
from brokerweb.storage.reading import Reads, aread
from brokerweb.streams import reading
from brokerweb.streams.definitions import Definition, PartitionRow, load
from brokerweb.streams.records import Batch


class Asked(NamedTuple):
    """What to read: ``partition`` may be left out where there is only one; ``where`` counts without an ``offset``."""

    partition: int | None
    offset: int | None
    where: reading.Where
    limit: int


class _Found(NamedTuple):
    stream_id: int
    partition_id: int
    batch: Batch


class _Waiter:
    """Follows one partition's tail until something comes."""

    def __init__(self, tails: Tails, found: _Found) -> None:
        self._tails, self._woken = tails, asyncio.Event()
        self._tail = tails.follow(found.partition_id, self)
        self._unwatch = tails.watch(found.stream_id, self.pump)

    def offer(self, tail: Tail, run: Run) -> None:
        tail.live.discard(self)
        self._woken.set()

    def pump(self) -> None:
        self._woken.set()

    async def until_more(self, batch: Batch, left: float, gone: asyncio.Event | None) -> None:
        """Wait until there may be more than ``batch``, which was read since the last call, has shown."""
        self._tail.known(batch.end)
        if batch.next >= self._tail.end:
            self._tail.live.add(self)
            await _first_of([event for event in (self._woken, gone) if event is not None], left)
        self._woken.clear()

    def stop(self) -> None:
        self._unwatch()
        self._tails.leave(self._tail, self)


async def read(stream: str, asked: Asked, *, wait: float = 0, gone: asyncio.Event | None = None) -> Batch:
    """Records, or none when none came within ``wait`` seconds, or until ``gone``.

    Raises NotFound, Invalid, OffsetOutOfRange.
    """
    found = await aread(_read, stream, asked)
    current = hub.current
    if found.batch.records or not wait or current is None:
        return found.batch
    deadline = time.monotonic() + wait
    waiter = _Waiter(current.tails, found)
    try:
        while not (found.batch.records or current.stopping or (gone is not None and gone.is_set())):
            # Read once more than it waits: what came before the waiter was there was told to nobody.
            asked = asked._replace(offset=found.batch.next)
            found = await aread(_read, stream, asked)
            left = deadline - time.monotonic()
            if found.batch.records or left <= 0:
                break
            await waiter.until_more(found.batch, left, gone)
    finally:
        waiter.stop()
    return found.batch


def _read(reads: Reads, stream: str, asked: Asked) -> _Found:
    found = load(reads, stream)
    partition = _partition(found, asked.partition)
    offset = reading.position(reads, partition, asked.where) if asked.offset is None else asked.offset
    return _Found(found.id, partition.id, reading.read(reads, partition, offset, asked.limit))


def _partition(found: Definition, number: int | None) -> PartitionRow:
    if number is None:
        if len(found.partitions) > 1:
            raise Invalid.at("/partition", f"is needed: stream {found.name} has {len(found.partitions)}")
        number = 0
    return found.partition(number)


async def _first_of(events: list[asyncio.Event], timeout: float) -> None:
    waits = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()
