"""Threads for synchronous code that is not the broker's: bounded, and for all calls of one request the same.

Django makes a thread for each request, as many as strangers ask for. Here a request is bound to a thread when it first has
something to run there, and waits in line while all are busy. The threads are daemons: a view that never ends does not keep
the process from ending.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager, contextmanager
from queue import SimpleQueue
from typing import Any

from asgiref.sync import ThreadSensitiveContext


class Threads:
    """At most ``limit`` threads, started as they are needed."""

    def __init__(self, limit: int, name: str) -> None:
        self._limit, self._name = limit, name
        self._mutex = threading.Lock()
        self._threads: list[_Thread] = []
        self._line: deque[Lane] = deque()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Lane]:
        """Within it, ``sync_to_async`` runs everything on one of the threads."""
        with self.lane() as lane:
            async with ThreadSensitiveContext(executor=lane):
                yield lane

    @contextmanager
    def lane(self) -> Iterator[Lane]:
        """What runs everything on one of the threads."""
        lane = Lane(self)
        try:
            yield lane
        finally:
            self._end(lane)

    def _run(self, lane: Lane, job: _Job) -> None:
        with self._mutex:
            if lane.thread is None and not lane.waiting:
                lane.thread = self._free()
                if lane.thread is None:
                    self._line.append(lane)
                else:
                    lane.thread.lanes += 1
            if lane.thread is None:
                lane.waiting.append(job)
            else:
                lane.thread.take(job)

    def _free(self) -> _Thread | None:
        """One that runs nothing: nobody's first, then a new one, then one whose requests wait for something else."""
        idle = min((each for each in self._threads if not each.jobs), key=lambda each: each.lanes, default=None)
        if (idle is None or idle.lanes) and len(self._threads) < self._limit:
            idle = _Thread(self._ran, f"{self._name}-{len(self._threads)}")
            self._threads.append(idle)
        return idle

    def _ran(self, thread: _Thread) -> None:
        """Called on the thread after each job."""
        with self._mutex:
            thread.jobs -= 1
            if self._line and not thread.jobs:
                lane = self._line.popleft()
                lane.thread = thread
                thread.lanes += 1
                while lane.waiting:
                    thread.take(lane.waiting.popleft())

    def _end(self, lane: Lane) -> None:
        with self._mutex:
            if lane.thread is not None:
                lane.thread.lanes -= 1
            elif lane.waiting:
                self._line.remove(lane)


class Lane(Executor):
    """What one request runs, in order."""

    def __init__(self, threads: Threads) -> None:
        self._threads = threads
        self.thread: _Thread | None = None
        self.waiting: deque[_Job] = deque()  # while no thread is free

    @property
    def used(self) -> bool:
        """Whether anything was run."""
        return self.thread is not None

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        job = _Job(lambda: call(*args, **kwargs))
        self._threads._run(self, job)
        return job.future


class _Job:
    __slots__ = ("call", "future")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.future: Future[Any] = Future()

    def run(self) -> None:
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            self.future.set_result(self.call())
        except BaseException as error:  # whatever a view raises is its caller's
            self.future.set_exception(error)


class _Thread:
    """``jobs`` it has to run, ``lanes`` that are bound to it; both are the pool's to count."""

    def __init__(self, ran: Callable[[_Thread], None], name: str) -> None:
        self.jobs = self.lanes = 0
        self._ran = ran
        self._queue: SimpleQueue[_Job] = SimpleQueue()
        threading.Thread(target=self._loop, name=name, daemon=True).start()

    def take(self, job: _Job) -> None:
        self.jobs += 1
        self._queue.put(job)

    def _loop(self) -> None:
        while True:
            job = self._queue.get()
            job.run()
            del job  # what it held is not kept until the next
            self._ran(self)
