"""Who does the work: functions on threads, coroutines on a loop of their own, so that none of them can hold up the runner."""

from __future__ import annotations

import asyncio
import inspect
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import dropwhile
from types import FrameType
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, DatabaseError, close_old_connections
from django.db.transaction import atomic

from brokerweb.core.errors import BrokerError
from brokerweb.core.threads import Threads
from brokerweb.handlers.work import Failure, LeaseLost, NotBegun, TimeLimit, Work
from brokerweb.storage.run import joining
from brokerweb.storage.transaction import Transaction

FRAMES = 12  # of where work stands that has run out of time


class Job:
    """One message being worked on. ``begin`` finds what is to be run; ``check`` and ``commit`` are for work that is ``atomic``:
    the one before it, the other after it, in its transaction; what they raise takes all of it back.

    ``late(failure)`` is told on the control loop when the time is up; what comes of it afterwards counts no more.
    """

    def __init__(
        self,
        begin: Callable[[], Work],
        *,
        check: Callable[[Transaction], None],
        commit: Callable[[Transaction, Any], None],
        late: Callable[[Failure], None],
    ) -> None:
        self.begin, self.check, self.commit, self.late = begin, check, commit, late
        self.over = False  # nobody wants its result any more
        self.committed = False
        self.timer: asyncio.TimerHandle | None = None
        self.thread: int | None = None  # that its function runs on
        self.task: asyncio.Task[Any] | None = None  # that runs its coroutine
        self.running: asyncio.Future[Any] | None = None

    def cancel(self) -> None:
        """Nobody wants its result: a coroutine is cancelled; a function goes on until it returns, and nothing of it is kept."""
        self.over = True
        if self.running is not None:
            self.running.cancel()

    def where(self) -> str:
        """Where its own code stands, as a traceback shows it."""
        frames = list(_awaiting(self.task.get_coro()) if self.task is not None else _calling(self.thread))
        own = list(dropwhile(lambda frame: not _is_ours(frame), frames))  # a thread begins above this module
        own = [frame for frame in own or frames if not _is_ours(frame)]
        shown = traceback.StackSummary.extract((frame, frame.f_lineno) for frame in own[-FRAMES:])
        return "".join(shown.format())


def _is_ours(frame: FrameType) -> bool:
    return frame.f_code.co_filename == __file__


def _calling(thread: int | None) -> list[FrameType]:
    """The frames of a thread, the innermost last."""
    frames: list[FrameType] = []
    at = sys._current_frames().get(thread or 0)
    while at is not None:
        frames.insert(0, at)
        at = at.f_back
    return frames


def _awaiting(coroutine: Any) -> Iterator[FrameType]:
    """The frames of a coroutine that awaits something, and of what it awaits."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "gi_frame", None)
        if frame is not None:
            yield frame
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "gi_yieldfrom", None)


def _returned(result: Any) -> Any:
    """Raises TypeError for what somebody would have to await: nothing of it was run."""
    if inspect.iscoroutine(result):
        result.close()
        raise TypeError("it returned a coroutine, and is no coroutine function: write it with async def")
    return result


class Crew:
    """At most ``size`` threads for functions, and as many for what coroutines ask of Django. Started on the control loop."""

    def __init__(self, size: int) -> None:
        self._threads, self._behind = Threads(size, "handler"), Threads(size, "behind handlers")
        self._loop = asyncio.new_event_loop()
        self._control: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run_loop, name="coroutine handlers", daemon=True)

    def start(self) -> None:
        self._control = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(1.0)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def run(self, job: Job) -> Any:
        """What the job's work returns, also where nobody wants it any more; a Failure for what it raises.

        It returns when a function's thread is free again, however long that takes. It waits for no coroutine that is cancelled.
        """
        with self._threads.lane() as lane:
            result = await self._control.run_in_executor(lane, self._on_thread, job)
        if isinstance(result, Work):
            result = await self._coroutine(job, result)
        if job.timer is not None:
            job.timer.cancel()
        return result

    # Functions

    def _on_thread(self, job: Job) -> Any:
        """The result; of a coroutine, the work, which is to be run elsewhere."""
        close_old_connections()
        try:
            work = job.begin()
            return work if work.coroutine else self._function(job, work)
        except BaseException as error:  # whatever it raises is its own
            return Failure.of(error)
        finally:
            job.thread = None
            close_old_connections()

    def _function(self, job: Job, work: Work) -> Any:
        job.thread = threading.get_ident()
        if work.timeout:
            self._control.call_soon_threadsafe(self._limit, job, work)
        if not work.atomic:
            return _returned(work.call())
        with ExitStack() as transaction:
            self._begin(job, transaction)
            result = _returned(work.call())
            if job.over:
                raise LeaseLost
            with joining() as tx:
                job.commit(tx, result)
        job.committed = True
        return result

    def _begin(self, job: Job, transaction: ExitStack) -> None:
        try:
            transaction.enter_context(atomic(using=DEFAULT_DB_ALIAS))
            with joining() as tx:
                job.check(tx)
        except (BrokerError, DatabaseError) as error:
            raise NotBegun(str(error)) from error

    # Coroutines

    async def _coroutine(self, job: Job, work: Work) -> Any:
        if work.timeout:
            self._limit(job, work)
        job.running = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._on_loop(job, work), self._loop))
        try:
            return await job.running
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return Failure.of(error)

    async def _on_loop(self, job: Job, work: Work) -> Any:
        job.task = asyncio.current_task()
        async with self._behind.one() as lane:  # what it asks of Django runs on one thread, as in a request
            try:
                return await work.call()
            except asyncio.CancelledError:
                raise
            except BaseException as error:  # whatever it raises is its own
                return Failure.of(error)
            finally:
                if lane.used:
                    await sync_to_async(close_old_connections)()

    # Time

    def _limit(self, job: Job, work: Work) -> None:
        job.timer = self._control.call_later(work.timeout or 0, self._late, job, work)

    def _late(self, job: Job, work: Work) -> None:
        if job.over or job.committed:
            return
        error = TimeLimit(f"the time limit of {work.timeout:g} s is over")
        what = "it was cancelled" if work.coroutine else "a function cannot be stopped: it goes on, and nothing of it is kept"
        job.late(Failure.of(error, f"{error}; {what}\n{job.where()}".rstrip()))
        job.cancel()
