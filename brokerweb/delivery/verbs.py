"""Verbs that the broker runs of its own accord. What must not be lost is tried again until the store takes it. On the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from brokerweb.core.errors import BrokerError
from brokerweb.queues import engine
from brokerweb.queues.messages import Settle
from brokerweb.storage import run
from brokerweb.storage.calls import Call, Place

RECEIPTS_AT_ONCE = 500  # in one settlement
VERB_RETRY = 0.5  # seconds after the store refused a verb


class Verbs:
    """Once ``stopping``, nothing is leased any more, and what the committer no longer takes is left to the next start."""

    def __init__(self, place: Place | None = None, whole: Verbs | None = None) -> None:
        self._place, self._whole = place, whole
        self._stopping = False

    @property
    def stopping(self) -> bool:
        return self._stopping if self._whole is None else self._whole.stopping

    @stopping.setter
    def stopping(self, stopping: bool) -> None:
        self._stopping = stopping

    def of(self, session: object) -> Verbs:
        """The same, behind whatever the calls of that session are."""
        return Verbs(Place(session), self)

    def start(self, verb: Any, args: tuple[Any, ...], done: Callable[[Call], None], place: Place | None = None) -> None:
        """Run a verb; ``done`` is told on the loop. Raises Unavailable."""
        if self._whole is not None:
            self._whole.start(verb, args, done, self._place)
        else:
            run.start(verb, args, {}, done=done, place=place)

    def attempt(self, verb: Any, args: tuple[Any, ...]) -> None:
        """Run a verb if the committer takes it; otherwise a duty does its work later."""
        with suppress(BrokerError):
            self.start(verb, args, lambda _: None)

    async def attempted(self, verb: Any, args: tuple[Any, ...]) -> None:
        """The same, until it is committed or refused."""
        over = asyncio.Event()
        with suppress(BrokerError):
            self.start(verb, args, lambda _: over.set())
            await over.wait()

    def release(self, receipts: list[str], done: Callable[[], None] = lambda: None) -> None:
        """Give messages back that nobody will handle; ``done`` is told when they are."""
        self.settle([Settle("release", receipt) for receipt in receipts], done)

    def lose(self, receipts: list[str]) -> None:
        """Their consumer was lost: a failure each."""
        self.settle([Settle("lose", receipt) for receipt in receipts])

    def settle(self, settles: list[Settle], done: Callable[[], None] = lambda: None) -> None:
        """Settle in bounded steps, each again until the store takes it; ``done`` is told when all are settled."""
        steps = [settles[i : i + RECEIPTS_AT_ONCE] for i in range(0, len(settles), RECEIPTS_AT_ONCE)]
        left = len(steps)

        def settled() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                done()

        for step in steps:
            self._settle(step, settled)
        if not steps:
            done()

    def _settle(self, step: list[Settle], settled: Callable[[], None]) -> None:
        def again() -> None:
            asyncio.get_running_loop().call_later(VERB_RETRY, self._settle, step, settled)

        def done(call: Call) -> None:
            if call.error is not None and call.error.retryable:
                again()
            else:
                settled()

        try:
            self.start(engine.settle, (step,), done)
        except BrokerError:
            if not self.stopping:
                again()
