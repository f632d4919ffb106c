"""Calls that one verb can serve together: what comes in one turn of the loop goes to it as one.

Each keeps its own answer. Frames of one message, and requests of one message over many connections, then cost little more
than one of many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from brokerweb.core.errors import BrokerError
from brokerweb.queues import engine
from brokerweb.storage import run
from brokerweb.storage.calls import FREE, MOST, MOST_COST, Call, Place

Done = Callable[[Any, BrokerError | None], None]


class Part(NamedTuple):
    """One command's share: what it asks for, the bytes it holds, and who is told its ``result`` or ``error``."""

    content: list[Any]
    size: int
    done: Done


class Merged(NamedTuple):
    """A verb for many parts: ``group`` makes what it takes of a part's content; those with the same ``key`` go together."""

    verb: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    key: object
    group: Callable[[list[Any]], Any]


class Merging:
    """Gathers parts while they are for the same verb; ``flush`` hands them to the committer, in the order they came."""

    def __init__(self, lane: object) -> None:
        """``lane``: as ``Place`` has it."""
        self._lane = lane
        self._loop = asyncio.get_running_loop()
        self._count = self._size = 0
        self._merged: Merged | None = None
        self._parts: list[Part] = []

    def add(self, merged: Merged, part: Part) -> None:
        """Parts with the same key may go together."""
        if self._merged is not None and merged.key != self._merged.key:
            self.flush()
        if not self._parts:
            self._merged = merged
            self._loop.call_soon(self.flush)
        self._parts.append(part)
        self._count += len(part.content)
        self._size += part.size
        if self._count >= MOST or self._size >= MOST_COST:
            self.flush()

    def flush(self) -> None:
        """Nothing waits after this. Does nothing when nothing does."""
        parts, count, size, merged = self._parts, self._count, self._size, self._merged
        self._parts, self._count, self._size, self._merged = [], 0, 0, None
        if merged is None:
            return

        def done(call: Call) -> None:
            results = [None] * len(parts) if call.error is not None else call.result
            for part, result in zip(parts, results, strict=True):
                error = result if isinstance(result, BrokerError) else call.error
                part.done(None if error is not None else result, error)

        place = Place(self._lane, merged.key, [merged.group(part.content) for part in parts], count)
        try:
            run.start(merged.verb, merged.args, merged.kwargs, done=done, cost=size, crowd=True, place=place)
        except BrokerError as error:
            for part in parts:
                part.done(None, error)


@lru_cache(maxsize=1024)
def publishing(queue: str, *, publisher: str | None) -> Merged:
    """Publishes to a queue, each all or none by itself."""
    return Merged(engine.publish_each, (queue,), {"publisher": publisher}, ("publish", queue, publisher), lambda content: content)


def settling(**how: Any) -> Merged:
    """Settlements; ``how`` is what ``engine.settle`` takes besides."""
    return Merged(engine.settle_each, (), {}, "settle", lambda content: engine.Settlement(content, **how))


_crowds: dict[object, Merging] = {}  # calls of this turn, of whatever connection; an entry goes with the turn


async def amerged(merged: Merged, content: list[Any], size: int) -> Any:
    """The verb's result for ``content``, run with the calls of other connections that have the same key.

    For callers with no order among them. Raises BrokerError. A caller that goes away cancels nothing.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Any] = loop.create_future()

    def done(result: Any, error: BrokerError | None) -> None:
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)

    crowd = _crowds.get((loop, merged.key))
    if crowd is None:
        crowd = _crowds[loop, merged.key] = Merging(FREE)
        loop.call_soon(_crowds.pop, (loop, merged.key))
    crowd.add(merged, Part(content, size, done))
    return await answer
