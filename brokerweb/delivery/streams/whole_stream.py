"""A subscription to a whole stream: every partition it has, those it will get, and until it is deleted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.delivery.streams.subscription import RETRY, StreamSubscription
from brokerweb.storage.reading import aread
from brokerweb.streams.definitions import Definition, load_by_id
from brokerweb.streams.reading import DELETED


class WholeStream(StreamSubscription):
    """Call ``begin`` once ``deliver`` and ``ended`` are set."""

    _stream_id = 0
    _unwatch: Callable[[], object] = staticmethod(lambda: None)
    _looking: asyncio.Task[None] | None = None
    _again = False

    def begin(self, found: Definition, places: Mapping[int, int]) -> None:
        """Read each partition from its place on, by number; one that has none from its first record."""
        self._stream_id = found.id
        self._unwatch = self.hub.watch(found.id, self._look)
        self._follow_all(found, places)
        self._look()  # once more: of what changed since ``found`` nobody was told

    def _follow_all(self, found: Definition, places: Mapping[int, int]) -> None:
        for partition in found.partitions:
            if partition.id not in self.places and self.open:
                self.follow(partition.id, partition.number, places.get(partition.number, partition.low), partition.end)

    def _look(self) -> None:
        """The stream may have changed: look at it again, after the look that is under way if there is one."""
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_again())
        else:
            self._again = True

    async def _look_again(self) -> None:
        while self.open:
            self._again = False
            try:
                found = await aread(load_by_id, self._stream_id)
            except BrokerError:
                await asyncio.sleep(RETRY)
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
