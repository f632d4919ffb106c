"""The runner: takes messages from its sources and has them worked on, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.handlers.alarm import Alarm
from brokerweb.handlers.crew import Crew
from brokerweb.handlers.duty import Pump, Shared
from brokerweb.handlers.partitions import GroupPump
from brokerweb.handlers.presence import Presence
from brokerweb.handlers.pump import LeasedPump
from brokerweb.handlers.sources import PartitionedSource, Source
from brokerweb.handlers.store import Store
from brokerweb.storage.reading import Reads
from brokerweb.wakeups.hints import Hint

LAST = 3.0  # seconds in which what is given back at the end is stored
SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Missing(Exception):
    """Sources that are not there; a line each."""


class Runner:
    """Takes messages from its sources and runs their handlers' work: functions on threads, coroutines on a loop.

    ``concurrency``: how many run at once, of all sources together. ``grace``: seconds that what runs has to end, once the runner
    is to stop. ``name``: of the command, such as ``consume``; it is known to others as ``consume@HOST:PID``.
    ``say``: told what people should know, a line each.
    """

    def __init__(
        self,
        sources: Sequence[Source | PartitionedSource],
        *,
        name: str = "consume",
        concurrency: int = 8,
        grace: float = 30.0,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.sources, self.concurrency, self.grace, self._say = sources, concurrency, grace, say
        self.client = f"{name}@{socket.gethostname()}:{os.getpid()}"
        self._pumps: list[Pump] = []
        self._stop: asyncio.Event
        self._alone: Callable[[], bool] = lambda: False

    def run(self) -> int:
        """Work until SIGTERM or SIGINT, on the main thread; the status to exit with.

        What has not begun is then given back, and what runs has ``grace`` to end; what is left is given back as well, and the
        status is 1. A second signal ends the process at once, and leases run out. Raises Missing at the start where sources are
        not there.
        """
        return asyncio.run(self._main())

    def stop(self) -> None:
        """As the first signal does; on the loop."""
        self._stop.set()

    async def _main(self) -> int:
        self._stop = asyncio.Event()
        store, crew = Store(), Crew(self.concurrency)
        shared = Shared(
            store, crew, asyncio.Semaphore(self.concurrency), self.concurrency, self.client, self._say, lambda: self._alone()
        )
        self._pumps = [_pump(source, shared) for source in self.sources]
        if missing := await store.read(_missing, self._pumps):
            raise Missing("\n".join(missing))
        alarm = Alarm(self._hear, _Receipts(self._pumps))
        presence = Presence(store, self.client, self._attended, self._say)
        self._alone = lambda: presence.alone
        self._listen()
        crew.start()
        alarm.start()
        await presence.tick()
        attending = asyncio.create_task(presence.run())
        try:
            return await self._work()
        finally:
            attending.cancel()
            await alarm.stop()
            crew.stop()
            store.stop()

    def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        for number in SIGNALS:
            loop.add_signal_handler(number, self._signalled, number)

    def _signalled(self, number: int) -> None:
        if self._stop.is_set():
            os._exit(128 + number)
        self.stop()

    def _hear(self, hint: Hint) -> None:
        for pump in self._pumps:
            pump.hear(hint)

    def _attended(self) -> Iterator[int]:
        return (id for pump in self._pumps if (id := pump.attended()) is not None)

    async def _work(self) -> int:
        """Until it is to stop, and what runs has ended."""
        tasks = [asyncio.create_task(pump.run()) for pump in self._pumps]
        stopping = asyncio.create_task(self._stop.wait())
        await asyncio.wait([stopping, *tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            if task.done():
                task.result()  # none ends by itself but by an error
        self._say("Stopping: what has begun may end; a second signal ends it at once.")
        for pump in self._pumps:
            pump.stop()
        _, left = await asyncio.wait(tasks, timeout=self.grace)
        if left:
            self._say(f"{self.grace:g} seconds are over: what still runs is given back.")
            for pump in self._pumps:
                pump.give_up()
            await asyncio.wait(left, timeout=LAST)
        done, failed = (sum(numbers) for numbers in zip(*((p.tally.done, p.tally.failed) for p in self._pumps), strict=True))
        self._say(f"Stopped: {done} done, {failed} failed.")
        return 1 if left else 0


def _pump(source: Source | PartitionedSource, shared: Shared) -> Pump:
    return GroupPump(source, shared) if isinstance(source, PartitionedSource) else LeasedPump(source, shared)


def _missing(reads: Reads, pumps: Sequence[Pump]) -> list[str]:
    """What to say of the sources that are not there."""
    lines = []
    for pump in pumps:
        try:
            pump.find(reads)
        except (NotFound, Conflict) as error:
            lines.append(error.detail)
    return lines


class _Receipts:
    """Those that this process holds."""

    def __init__(self, pumps: Sequence[Pump]) -> None:
        self._pumps = pumps

    def __contains__(self, receipt: object) -> bool:
        return isinstance(receipt, str) and any(pump.holds(receipt) for pump in self._pumps)
