"""Searches run: on few threads of their own, few at a time, giving way to those who write.

A search that was begun is a row of turns of some tens of milliseconds. While the broker is busy there is a pause behind each,
so that a search takes no more than a small share of the machine; its budget is over when it is over, and it says how far it came.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

from brokerweb.answers.search.browsing import Browsing
from brokerweb.answers.search.search import DEFAULT_BUDGET, LEAST_BUDGET, MOST_BUDGET, Found, Hit, Search
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import Invalid, RateLimited
from brokerweb.identity.principal import Principal
from brokerweb.storage import run
from brokerweb.storage.dedicated import dedicate
from brokerweb.storage.reading import Reads, read

F_co = TypeVar("F_co", covariant=True)
F = TypeVar("F")
THREADS = 2
AT_ONCE = 4  # searches and exports
BUSY = 100  # calls to the committer a second, from which on the broker is busy
LEAST = 0.25  # seconds over which calls are counted at least: a duty that writes in several calls makes nobody busy
SHARE = 0.04  # of the time that a search may work while it is
LONGEST_PAUSE = 3.0  # where others use the machine, too, a turn takes long, and the broker has less of it to give
_threads = ThreadPoolExecutor(THREADS, thread_name_prefix="search", initializer=dedicate)
_slots = threading.BoundedSemaphore(AT_ONCE)


@contextmanager
def _slot() -> Iterator[None]:
    if not _slots.acquire(blocking=False):
        raise RateLimited(f"{AT_ONCE} searches run already; try again in a moment.")
    try:
        yield
    finally:
        _slots.release()


class _Giving:
    """How long to pause behind a turn, by what was written meanwhile."""

    def __init__(self) -> None:
        self._seen = self._calls()
        self._at = time.monotonic()

    def _calls(self) -> int:
        committer = run.running()
        return 0 if committer is None else committer.calls

    def pause(self, worked: float) -> float:
        """Seconds, after a turn that worked so long."""
        now, calls = time.monotonic(), self._calls()
        came = calls - self._seen
        busy = came > BUSY * max(LEAST, now - self._at)
        if busy or now - self._at > LEAST:
            self._at, self._seen = now, calls
        return min(LONGEST_PAUSE, worked * (1 / SHARE - 1)) if busy else 0.0


class InTurns(Protocol[F_co]):
    """What looks through messages in turns: a ``Search`` does."""

    @property
    def over(self) -> bool: ...
    def turn(self, reads: Reads, wanted: int, room: int, *, first: bool) -> tuple[list[Hit], str | None]: ...
    def outcome(self, reads: Reads, items: Sequence[Hit], stopped: str | None) -> F_co: ...


class _Run(Generic[F]):
    """One call's turns, and what they found. ``step`` is for a reader's thread."""

    def __init__(self, search: InTurns[F], limit: int, budget: float) -> None:
        self.search, self.limit = search, limit
        self._until = time.monotonic() + budget
        self._giving = _Giving()
        self._room = ANSWER_BYTES
        self.items: list[Hit] = []
        self.stopped: str | None = None

    def step(self, reader: Any) -> float | None:
        """One turn; how long to pause before the next, or None when there is none."""
        began = time.monotonic()
        hits, self.stopped = self.search.turn(reader, self.limit - len(self.items), self._room, first=not self.items)
        self.items += hits
        self._room -= sum(_weight(hit) for hit in hits)
        if self.stopped is None and not self.search.over and time.monotonic() >= self._until:
            self.stopped = "time"
        if self.stopped is not None or self.search.over:
            return None
        now = time.monotonic()
        return min(self._giving.pause(now - began), max(0.0, self._until - now))

    def outcome(self, reader: Any) -> F:
        return self.search.outcome(reader, self.items, self.stopped)


def _weight(hit: Hit) -> int:
    return len(hit.found.body)


def check_budget(budget: float) -> float:
    """Raises Invalid."""
    if not LEAST_BUDGET <= budget <= MOST_BUDGET:
        raise Invalid.at("/budget", f"a number from {LEAST_BUDGET} to {MOST_BUDGET:g}")
    return budget


def search(
    principal: Principal,
    q: str,
    in_: Sequence[str] = (),
    limit: int = 50,
    after: str | None = None,
    *,
    budget: float = DEFAULT_BUDGET,
) -> Found:
    """What matches, of what the principal may browse. Raises Invalid, and RateLimited where too many search.

    For threads, which it keeps waiting for as long as the budget; on the event loop use ``asearch``.
    """
    return through(Search(principal, q, in_, after=after), limit, budget=budget)


def through(wanted: InTurns[F], limit: int, *, budget: float = DEFAULT_BUDGET) -> F:
    """What it finds, ``limit`` at most, for threads. Raises Invalid, and RateLimited where too many search."""
    running = _Run(wanted, limit, check_budget(budget))
    with _slot():
        while (pause := _on_thread(running.step).result()) is not None:
            time.sleep(pause)
        found: F = _on_thread(running.outcome).result()
    return found


def few(wanted: Browsing, most: int) -> list[int] | None:
    """The ids of all that it finds, whatever their bodies; None where they are more, or it takes too long to tell."""
    until, ids = time.monotonic() + DEFAULT_BUDGET, list[int]()
    giving = _Giving()
    with _slot():
        while not wanted.over:
            began = time.monotonic()
            rows, _ = _on_thread(wanted.rows, most + 1 - len(ids)).result()
            ids += [row.id for row in rows]
            if len(ids) > most or time.monotonic() > until:
                return None
            time.sleep(giving.pause(time.monotonic() - began))
    return ids


async def asearch(
    principal: Principal,
    q: str,
    in_: Sequence[str] = (),
    limit: int = 50,
    after: str | None = None,
    *,
    budget: float = DEFAULT_BUDGET,
) -> Found:
    """``search`` from the event loop; who cancels it ends it with the turn that runs."""
    running = _Run(Search(principal, q, in_, after=after), limit, check_budget(budget))
    with _slot():
        while (pause := await asyncio.wrap_future(_on_thread(running.step))) is not None:  # noqa: ASYNC110 (others' turn)
            await asyncio.sleep(pause)
        found: Found = await asyncio.wrap_future(_on_thread(running.outcome))
    return found


async def export(principal: Principal, q: str, in_: Sequence[str], limit: int) -> AsyncGenerator[list[Hit] | Found]:
    """Everything that matches, up to ``limit``, a turn's hits at a time; at last what is told of it, without items."""
    giving, left, stopped = _Giving(), limit, None
    wanted = Search(principal, q, in_)
    with _slot():
        while stopped != "limit" and not wanted.over:
            began = time.monotonic()
            hits, stopped = await asyncio.wrap_future(_on_thread(wanted.turn, left))
            left -= len(hits)
            if hits:
                yield hits
            await asyncio.sleep(giving.pause(time.monotonic() - began))
        yield await asyncio.wrap_future(_on_thread(wanted.outcome, (), stopped))


def _on_thread(call: Callable[..., Any], *args: Any) -> Future[Any]:
    return _threads.submit(read, call, *args)
