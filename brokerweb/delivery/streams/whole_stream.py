"""A subscription to a whole stream: every partition it has, those it will get, and until it is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tails import READ_RETRY
from brokerweb.storage.reading import aread
from brokerweb.streams.definitions import Definition, load_by_id
from brokerweb.streams.reading import DELETED


class WholeStream(StreamSubscription):
    """Call ``begin`` once ``deliver`` and ``ended`` are set."""

    _stream_id = 0
    _unwatch: Callable[[], object] = staticmethod(lambda: None)
    _loading: asyncio.Task[None] | None = None
    _again = False

    def begin(self, found: Definition, places: Mapping[int, int]) -> None:
        """Read each partition from its place on, by number; one that has none from its first record."""
        self._stream_id = found.id
        self._unwatch = self._tails.watch(found.id, self._reload)
        self._follow_all(found, places)
        self._reload()  # once more: of what changed since ``found`` nobody was told

    def _follow_all(self, found: Definition, places: Mapping[int, int]) -> None:
        for partition in found.partitions:
            if partition.id not in self.places and self.open:
                self.follow(partition.id, partition.number, places.get(partition.number, partition.low), partition.end)

    def _reload(self) -> None:
        """The stream may have changed: read its definition again, after the read that is under way if there is one."""
        if self._loading is None or self._loading.done():
            self._loading = asyncio.get_running_loop().create_task(self._load())
        else:
            self._again = True

    async def _load(self) -> None:
        while self.open:
            self._again = False
            try:
                found = await aread(load_by_id, self._stream_id)
            except BrokerError:
                await asyncio.sleep(READ_RETRY)
                continue
            if found is None and self.open:
                self.ended(self, NotFound(DELETED))
            elif found is not None:
                self._follow_all(found, {})
            if not self._again:
                return

    def stop(self) -> None:
        super().stop()
        self._unwatch()
