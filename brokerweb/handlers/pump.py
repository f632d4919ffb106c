"""Leases messages of a source as there is room, has them worked on, and settles them, a turn after the other.

What ends while a turn is committed is settled by the next: the busier it is, the more messages share a commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any

from brokerweb.core.errors import BrokerError, NotFound
from brokerweb.handlers import turn
from brokerweb.handlers.crew import Job
from brokerweb.handlers.duty import POLL, RETRY, Shared, Slots, Tally
from brokerweb.handlers.sources import Held, Source, holds
from brokerweb.handlers.store import single_writer
from brokerweb.handlers.turn import Answer, Asked, Extension, Finished, HandlerFailed, TooLate
from brokerweb.handlers.work import Failure, LeaseLost, NotBegun, Settlement
from brokerweb.queues.messages import Settle
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction
from brokerweb.wakeups.hints import Hint

log = logging.getLogger(__name__)

EXTENSIONS = 3  # within a lease's time


class Run:
    """A message that is held."""

    def __init__(self, message: Held, at: float) -> None:
        self.message, self.receipt, self.lease = message, message.receipt or "", message.lease or 0.0
        self.extend_at = at + self.lease / EXTENSIONS
        self.job: Job | None = None  # once it has begun
        self.over = False  # it is settled, about to be, or lost
        self.as_of: int | None = None  # the instant at which its transaction saw that the lease runs


class LeasedPump:
    """Of a queue, or of a shared group."""

    def __init__(self, source: Source, shared: Shared) -> None:
        self.source, self.name, self._shared = source, source.name, shared
        self.tally = Tally()
        self._slots = Slots(shared, source.concurrency)
        self._prefetch = source.prefetch or self._slots.size
        self._held: dict[str, Run] = {}
        self._finished: list[Finished] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._look, self._poll_at, self._stopping, self._queue_id, self._gone = True, 0.0, False, 0, ""

    def find(self, reads: Reads) -> None:
        self._queue_id = self.source.find(reads)

    def attended(self) -> int | None:
        return self._queue_id

    def holds(self, receipt: str) -> bool:
        return receipt in self._held

    def hear(self, hint: Hint) -> None:
        if self.source.concerns(hint):
            self._look = True
            self._news.set()

    def stop(self) -> None:
        self._stopping = True
        for run in self._held.values():
            if run.job is None:
                self._give_back(run)
        self._news.set()

    def give_up(self) -> None:
        for run in self._held.values():
            self._give_back(run)
            if run.job is not None:
                run.job.cancel()
        self._news.set()

    def _give_back(self, run: Run) -> None:
        if not run.over:
            run.over = True
            self._finished.append(Finished(run.message, settlement=Settlement("release")))

    # Turns

    async def run(self) -> None:
        while not (self._stopping and not self._held):
            self._news.clear()
            asked = self._asked()
            if asked:
                await self._take(asked)
            else:
                await self._pause()
        for task in self._tasks:
            task.cancel()

    def _asked(self) -> Asked:
        now = time.monotonic()
        due = [run for run in self._held.values() if not run.over and run.extend_at <= now]
        asked = Asked(self._finished, [Extension(run.receipt, run.lease) for run in due])
        self._finished = []
        if self._look or now >= self._poll_at:
            asked.limit = self._room(settled=len(asked.finished))
        return asked

    def _room(self, settled: int = 0) -> int:
        return 0 if self._stopping else max(0, self._prefetch - len(self._held) + settled)

    async def _pause(self) -> None:
        """Until there is something to do."""
        moments = [run.extend_at for run in self._held.values() if not run.over]
        if self._room():
            moments.append(self._poll_at)
        wait = max(0.0, min(moments, default=time.monotonic() + POLL) - time.monotonic())
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            pass

    async def _take(self, asked: Asked) -> None:
        if asked.limit:
            self._look, self._poll_at = False, time.monotonic() + POLL
        began = time.monotonic()
        try:
            if asked.limit and not (asked.finished or asked.extend) and not await self._worth_it():
                return
            answer = await self._shared.store.commit(turn.take, self.source, asked, self._shared.client)
        except HandlerFailed as failed:
            log.error("%s: its handler failed to say what became of a message", self.name, exc_info=failed.error)
            turn.blame(failed)
            self._again(asked)
        except TooLate as late:
            asked.finished.remove(late.finished)
            self._again(asked)
            if (run := self._held.get(late.finished.message.receipt or "")) is not None:
                self._lost(run)
        except Exception as error:
            self._again(asked)
            await self._refused(error)
        else:
            self._answered(asked, answer, began)

    async def _worth_it(self) -> bool:
        """Whether there is anything to lease: asked first where a turn would keep all others from writing."""
        if not single_writer():
            return True
        try:
            return await self._shared.store.read(self.source.ready)
        except NotFound as error:
            self._is_gone(error.detail)
            return False

    def _again(self, asked: Asked) -> None:
        """Nothing of it was done."""
        self._finished[:0] = asked.finished
        self._look = self._look or bool(asked.limit)
        self._news.set()

    async def _refused(self, error: Exception) -> None:
        known = isinstance(error, BrokerError)
        log.warning("%s: the store refused: %s", self.name, error, exc_info=None if known else error)
        await asyncio.sleep(RETRY)

    def _answered(self, asked: Asked, answer: Answer, began: float) -> None:
        for finished in asked.finished:
            run = self._held.pop(finished.message.receipt or "", None)
            if run is not None and run.receipt in answer.lost and finished.settlement is None:
                log.warning("%s: message %s was another's by the time it was done", self.name, _id(run.message))
        for extension in asked.extend:
            held = self._held.get(extension.receipt)
            if held is not None and not held.over:
                held.extend_at = began + held.lease / EXTENSIONS
                if held.receipt in answer.lost:
                    self._lost(held)
        self._is_gone(answer.gone)
        for message in answer.leased:
            self._begin(Run(message, began))
        if answer.more or (asked.limit and len(answer.leased) == asked.limit):
            self._look = True

    def _is_gone(self, why: str) -> None:
        if why and not self._gone:
            self._shared.say(f"{self.name}: {why} It is looked for every {POLL:g} seconds.")
        self._gone = why

    def _lost(self, run: Run) -> None:
        """Somebody else has the message: what is done for it here counts no more."""
        run.over = True
        self._held.pop(run.receipt, None)
        log.warning("%s: the lease of message %s was lost while it was worked on", self.name, _id(run.message))
        if run.job is not None:
            run.job.cancel()

    # Work

    def _begin(self, run: Run) -> None:
        self._held[run.receipt] = run
        if self._stopping:
            self._give_back(run)
            return
        task = asyncio.create_task(self._work(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _work(self, run: Run) -> None:
        async with self._slots.one():
            if run.over:
                return
            run.job = Job(
                partial(self.source.handler.work, run.message),
                check=partial(self._check, run),
                commit=partial(self._commit, run),
                late=partial(self._ended, run),
            )
            result = await self._shared.crew.run(run.job)
        self._ended(run, result)

    def _ended(self, run: Run, result: Any) -> None:
        if run.job is not None and run.job.committed:
            run.over = True
            self.tally.done += 1
            self._held.pop(run.receipt, None)
        elif run.over:
            if not isinstance(result, Failure):
                log.warning("%s: what was done for message %s is not kept: it was no longer held", self.name, _id(run.message))
        elif isinstance(result, Failure) and isinstance(result.error, LeaseLost):
            self._lost(run)
        else:
            self._finish(run, result)
        self._news.set()

    def _finish(self, run: Run, result: Any) -> None:
        if isinstance(result, Failure) and isinstance(result.error, NotBegun):
            log.warning("%s: message %s is given back: %s", self.name, _id(run.message), result.error)
            self._give_back(run)
            return
        run.over = True
        if isinstance(result, Failure):
            self.tally.failed += 1
            about = (self.source.works_on(run.message), _id(run.message), self.name, run.message.attempts)
            log.warning("%s failed on message %s of %s, attempt %d\n%s", *about, result.text)
            self._finished.append(Finished(run.message, failure=result))
        else:
            self.tally.done += 1
            self._finished.append(Finished(run.message, result))

    # In the transaction of work that is atomic, on its thread

    def _check(self, run: Run, tx: Transaction) -> None:
        """A single writer's transaction keeps others out from here on: a lease that runs now cannot end before the commit."""
        if tx.dialect.single_writer:
            if not holds(tx, run.receipt):
                raise LeaseLost
            run.as_of = tx.now

    def _commit(self, run: Run, tx: Transaction, result: Any) -> None:
        now, tx.now = tx.now, tx.now if run.as_of is None else run.as_of
        [settled] = self.source.settle(tx, [Settle("ack", run.receipt)])
        tx.now = now
        if settled.status != "ok":
            raise LeaseLost
        self.source.handler.done(tx, run.message, result)


def _id(message: Held) -> str:
    """What a message is called in logs."""
    id = getattr(message, "id", None)
    return str(id) if id is not None else f"{getattr(message, 'partition', '?')}-{getattr(message, 'offset', '?')}"
