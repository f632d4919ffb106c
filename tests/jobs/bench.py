"""Jobs run by the real duty through a real committer, round by round, on time that stands still."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.db import connections

from brokerweb.core import clock
from brokerweb.jobs import control, replay_request, replaying, runner
from brokerweb.jobs.models import Job
from brokerweb.queues.models import Message
from brokerweb.storage import run
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import Committer
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from brokerweb.streams import definitions, engine
from brokerweb.streams.models import Record
from brokerweb.streams.records import NewRecord
from tests.postgres import REAL_COMMITS
from tests.queues.bench import Time

# Of tests with so many messages that they take too long on PostgreSQL, where others act on fewer.
many = pytest.mark.parametrize("time", REAL_COMMITS[:1], indirect=True)


def _tell(batch: list[Call]) -> None:
    for call in batch:
        call.done(call)


async def _with_committer(work: Callable[[], Awaitable[Any]]) -> Any:
    loop = asyncio.get_running_loop()

    def deliver(batch: list[Call]) -> None:
        loop.call_soon_threadsafe(_tell, batch)

    committer = Committer(deliver)
    committer.start()
    run.install(committer)
    try:
        return await work()
    finally:
        await loop.run_in_executor(None, committer.stop)
        run.install(None)


class Runner:
    """One process after another: every call starts a committer, runs rounds, and lets it go as a crash between them does."""

    def __init__(self, time: Time) -> None:
        self.time = time

    def rounds(self, n: int = 1) -> float:
        """``n`` rounds; what the last one said about the next."""

        async def work() -> float:
            for _ in range(n):
                delay = await runner.tick(clock.now())
            return delay

        return float(asyncio.run(_with_committer(work)))

    def until_idle(self, *, most: int = 1_000) -> float:
        """Rounds until nothing is due now; how long it is to the next."""

        async def work() -> float:
            for _ in range(most):
                delay = await runner.tick(clock.now())
                if delay > 0:
                    return delay
            raise AssertionError("there is no end to it")

        return float(asyncio.run(_with_committer(work)))

    def call(self, act: Callable[[], Any]) -> Any:
        """``act()`` on a thread, as a request acts: its verbs go through the committer."""

        def on_thread() -> Any:
            try:
                return act()
            finally:
                connections.close_all()

        async def work() -> Any:
            return await asyncio.get_running_loop().run_in_executor(None, on_thread)

        return asyncio.run(_with_committer(work))

    def until_finished(self, job: Job, *, most: int = 1_000) -> Job:
        """Let time pass as the job asks for until it is finished."""
        for _ in range(most):
            delay = self.until_idle()
            job = control.get(job.pk)
            if job.finished_at is not None:
                return job
            self.time.advance(delay)
        raise AssertionError("there is no end to it")


def shown(job: Job) -> dict[str, Any]:
    return control.as_json(control.get(job.pk))


def declare_stream(name: str = "log", **settings: Any) -> None:
    perform(streams.declare, name, settings)


def append(*bodies: object, stream: str = "log", **fields: Any) -> None:
    records = [NewRecord(json.dumps(body).encode(), **fields) for body in bodies]
    for i in range(0, len(records), 1000):
        perform(engine.append, stream, records[i : i + 1000])


def replay(stream: str = "log", /, **asked: Any) -> Job:
    """Ask for a replay as a client does; ``begin`` stands for "from"."""
    given = {"from" if name == "begin" else name: value for name, value in asked.items()}
    return perform(replaying.create, stream, replay_request.parse(given), by="tester")


def in_queue(name: str) -> list[Any]:
    return [json.loads(bytes(m.body)) for m in Message.objects.filter(queue__name=name).order_by("position")]


def in_stream(name: str) -> dict[int, list[Any]]:
    """The bodies by partition, in order."""
    found = read(definitions.load, name)
    return {
        p.number: [
            json.loads(bytes(r.body))
            for r in Record.objects.filter(pk__gte=p.record_id(0), pk__lt=p.record_id(p.end)).order_by("pk")
        ]
        for p in found.partitions
    }
