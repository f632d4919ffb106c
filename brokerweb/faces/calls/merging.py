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
from brokerweb.storage.committer import Call

MOST, MOST_BYTES = 1000, 2 * 1024 * 1024  # messages or receipts in one call, and what they may hold when another joins

Done = Callable[[Any, BrokerError | None], None]


class Part(NamedTuple):
    """One command's share: what it asks for, the bytes it holds, and who is told its ``result`` or ``error``."""

    content: list[Any]
    size: int
    done: Done


class Merged(NamedTuple):
    """A verb for many parts: ``args`` of their contents, and what of the verb's result is whose."""

    verb: Callable[..., Any]
    args: Callable[[list[list[Any]]], tuple[Any, ...]]
    kwargs: dict[str, Any]
    split: Callable[[Any, list[Part]], list[Any]]


class Merging:
    """Gathers parts while they are for the same verb; ``flush`` hands them to the committer, in the order they came."""

    def __init__(self, *, crowd: bool = False) -> None:
        """``crowd``: as ``run.start`` has it."""
        self._crowd = crowd
        self._loop = asyncio.get_running_loop()
        self._key: object = None
        self._count = self._size = 0
        self._merged: Merged
        self._parts: list[Part] = []

    def add(self, key: object, merged: Merged, part: Part) -> None:
        """Parts with the same ``key`` may go together."""
        if key != self._key:
            self.flush()
        if not self._parts:
            self._key, self._merged = key, merged
            self._loop.call_soon(self.flush)
        self._parts.append(part)
        self._count += len(part.content)
        self._size += part.size
        if self._count >= MOST or self._size >= MOST_BYTES:
            self.flush()

    def flush(self) -> None:
        """Nothing waits after this. Does nothing when nothing does."""
        parts, self._parts, self._key, self._count, self._size = self._parts, [], None, 0, 0
        if not parts:
            return
        merged = self._merged

        def done(call: Call) -> None:
            results = [None] * len(parts) if call.error is not None else merged.split(call.result, parts)
            for part, result in zip(parts, results, strict=True):
                error = result if isinstance(result, BrokerError) else call.error
                part.done(None if error is not None else result, error)

        args = merged.args([part.content for part in parts])
        try:
            cost = sum(part.size for part in parts)
            run.start(merged.verb, args, merged.kwargs, done=done, cost=cost, crowd=self._crowd)
        except BrokerError as error:
            for part in parts:
                part.done(None, error)


@lru_cache(maxsize=1024)
def publishing(queue: str, *, publisher: str | None) -> Merged:
    """Publishes to a queue, each all or none by itself."""
    return Merged(engine.publish_each, lambda groups: (queue, groups), {"publisher": publisher}, lambda results, _: results)


def settling(**how: Any) -> Merged:
    """Settlements; ``how`` is what ``engine.settle`` takes besides."""
    return Merged(engine.settle, lambda groups: ([settle for group in groups for settle in group],), how, _slices)


def _slices(results: list[Any], parts: list[Part]) -> list[Any]:
    """Results in one row, as long for each part as its content."""
    rest = iter(results)
    return [[result for _, result in zip(part.content, rest, strict=False)] for part in parts]


_crowds: dict[object, Merging] = {}  # calls of this turn, of whatever connection; an entry goes with the turn


async def amerged(key: object, merged: Merged, content: list[Any], size: int) -> Any:
    """The verb's result for ``content``, run with the calls of other connections that have the same ``key``.

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

    crowd = _crowds.get((loop, key))
    if crowd is None:
        crowd = _crowds[loop, key] = Merging(crowd=True)
        loop.call_soon(_crowds.pop, (loop, key))
    crowd.add(key, merged, Part(content, size, done))
    return await answer
