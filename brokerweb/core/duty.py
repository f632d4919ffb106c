"""Background duties: ``tick(now) -> seconds until the next``. The loop around them is shared."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from brokerweb.core import clock

log = logging.getLogger(__name__)
Tick = Callable[[int], Awaitable[float]]


class DutyLoop:
    """Runs one duty until stopped; starts and stops twice safely.

    A tick that raises is tried again after ``retry`` seconds: a duty must not die of one bad moment. It is logged, and not again
    while it goes on raising the same.
    """

    def __init__(self, name: str, tick: Tick, *, longest: float = 1.0, retry: float = 1.0) -> None:
        self.name, self.tick, self.longest, self.retry = name, tick, longest, retry
        self._task: asyncio.Task[None] | None = None
        self._early = asyncio.Event()
        self._next_at = 0
        self.failing = False  # the last tick raised
        self._logged = ""

    def start(self) -> None:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run(), name=f"duty {self.name}")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def due(self, instant: int) -> None:
        """There will be something to do at ``instant``: tick by then."""
        if instant < self._next_at:
            self._early.set()
            self._next_at = instant

    async def _run(self) -> None:
        while True:
            self._next_at = clock.now() + clock.seconds(self.longest)
            delay = await self._tick_safely()
            self._next_at = min(self._next_at, clock.now() + clock.seconds(max(0.0, min(delay, self.longest))))
            await self._sleep()

    async def _tick_safely(self) -> float:
        try:
            delay = await self.tick(clock.now())
            self.failing, self._logged = False, ""
            return delay
        except Exception as error:
            self.failing, before, self._logged = True, self._logged, repr(error)
            if self._logged != before:
                log.exception("duty %s failed; it will be tried again", self.name)
            return self.retry

    async def _sleep(self) -> None:
        while (left := self._next_at - clock.now()) > 0:
            self._early.clear()
            try:
                await asyncio.wait_for(self._early.wait(), left / clock.SECOND)
            except TimeoutError:
                return
