"""What all that take messages share while a runner runs, and how they come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from brokerweb.handlers.crew import Crew
from brokerweb.handlers.store import Store
from brokerweb.storage.reading import Reads
from brokerweb.wakeups.hints import Hint

POLL = 2.0  # seconds after which it is looked for messages that nobody told of
RETRY = 1.0  # seconds until the store is asked again that could not answer


@dataclass(frozen=True, slots=True)
class Shared:
    """What a runner's pumps have in common. ``say`` is told what people should know, a line each."""

    store: Store
    crew: Crew
    slots: asyncio.Semaphore
    concurrency: int
    client: str  # what it is called, and who holds its leases
    say: Callable[[str], None]
    alone: Callable[[], bool]  # whether no broker runs on this database


@dataclass(slots=True)
class Tally:
    """How many messages were done, and how many failed."""

    done: int = 0
    failed: int = 0


class Pump(Protocol):
    """Takes messages from one source, has them worked on, and settles them. On the control loop."""

    name: str  # of its source, for people
    tally: Tally

    def find(self, reads: Reads) -> None:
        """See that the source is there. Raises NotFound, and Conflict for one of another kind."""

    def attended(self) -> int | None:
        """The id of the queue that it consumes; None where it is no queue."""

    def holds(self, receipt: str) -> bool:
        """Whether it holds this lease; from any thread."""

    async def run(self) -> None:
        """Until it was stopped and holds nothing any more."""

    def stop(self) -> None:
        """Take nothing more, and give back what has not begun."""

    def give_up(self) -> None:
        """Give back what runs as well."""

    def hear(self, hint: Hint) -> None:
        """Something was committed, here or elsewhere."""


class Slots:
    """How many of a source run at once, within what the runner allows."""

    def __init__(self, shared: Shared, concurrency: int | None) -> None:
        self.size = min(concurrency or shared.concurrency, shared.concurrency)
        self._own, self._all = asyncio.Semaphore(self.size), shared.slots

    @asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        async with self._own, self._all:
            yield
