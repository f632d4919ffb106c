"""Readers of a stream on a stage: they note what they get, run by run, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from brokerweb.core.errors import BrokerError, OffsetOutOfRange
from brokerweb.delivery.groups.member import GroupSubscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.delivery.streams.whole_stream import WholeStream
from brokerweb.storage.reading import aread
from brokerweb.storage.run import aperform
from brokerweb.streams import control, duties, engine, membership, reading
from brokerweb.streams.positions import commit
from brokerweb.streams.records import NewRecord
from tests.delivery.stage import Stage, soon


async def declare(name: str = "events", **settings: Any) -> None:
    await aperform(control.declare, name, settings)


async def append(*bodies: object, partition: int | None = None, stream: str = "events") -> None:
    await aperform(engine.append, stream, [NewRecord(str(b).encode(), partition=partition) for b in bodies])


def append_elsewhere(*bodies: object) -> None:
    """As another process would: a commit that nobody here is told of."""
    from django.db import connection, transaction

    from brokerweb.storage.dialects import dialect_of
    from brokerweb.storage.transaction import Transaction

    with transaction.atomic():
        connection.ensure_connection()
        tx = Transaction(connection.connection, dialect_of(connection))
        engine.append(tx, "events", [NewRecord(str(b).encode()) for b in bodies])


async def retain() -> None:
    while await aperform(duties.retain):
        pass


class Reader:
    """By itself, from ``where`` on; takes ``credit`` records, and more only when ``grant`` says so."""

    def __init__(self, stage: Stage, sub: StreamSubscription) -> None:
        self.stage, self.sub = stage, sub
        self.runs: list[tuple[int, Run]] = []
        self.errors: list[BrokerError] = []
        sub.deliver = lambda sub, number, run: self.runs.append((number, run))
        sub.ended = self._ended

    @classmethod
    async def open(
        cls,
        stage: Stage,
        where: Any = "earliest",
        *,
        credit: int = 10_000,
        stream: str = "events",
        meanwhile: Awaitable[Any] | None = None,
    ) -> Reader:
        """``meanwhile`` happens between the look for where to begin and the beginning."""
        sub = WholeStream(stage.hub.tails, "1", stream, credit)
        reader = cls(stage, sub)
        found, places = await aread(reading.positions, stream, where)
        if meanwhile is not None:
            await meanwhile
            await stage.quiet()
        sub.begin(found, places)
        return reader

    def _ended(self, sub: StreamSubscription, error: BrokerError) -> None:
        self.errors.append(error)
        sub.stop()

    def offsets(self, number: int = 0) -> list[int]:
        return [record.offset for n, run in self.runs if n == number for record in run.records]

    @property
    def count(self) -> int:
        return sum(len(run) for _, run in self.runs)

    async def has(self, n: int) -> None:
        await soon(lambda: self.count >= n, f"{n} records")

    async def is_live(self) -> None:
        """It has read to the end of all it follows."""
        await soon(lambda: all(self.sub in place.tail.live for place in self.sub.places.values()), "live")

    async def was_told_what_is_gone(self) -> OffsetOutOfRange:
        await soon(lambda: self.errors, "an error")
        [error] = self.errors
        assert isinstance(error, OffsetOutOfRange)
        return error


class Worker(Reader):
    """A member of the group ``billing``; ``told`` is what it was told, in order: what kind, of which partitions."""

    def __init__(self, stage: Stage, sub: GroupSubscription) -> None:
        super().__init__(stage, sub)
        self.member = sub
        self.told: list[tuple[str, Any]] = []
        sub.on_change = self._on_change

    @classmethod
    async def join(cls, stage: Stage, name: str, *, credit: int = 10_000, stream: str = "events") -> Worker:
        joined = await aperform(membership.join, stream, "billing", name, name=name)
        sub = stage.hub.groups.member(name, stream, credit)
        sub.group, sub.group_id, sub.member = "billing", joined.group_id, name
        sub.session_timeout = joined.session_timeout
        worker = cls(stage, sub)
        stage.hub.groups.join(sub)
        await soon(lambda: sub.generation >= joined.generation, "heard of its place")
        return worker

    def _on_change(self, sub: GroupSubscription, change: membership.Change, starts: Any) -> None:
        if change.revoked:
            self.told.append(("revoked", sorted(change.revoked)))
        if starts:
            self.told.append(("assigned", dict(starts)))

    @property
    def numbers(self) -> set[int]:
        return {place.number for place in self.sub.places.values()}

    async def reads(self, *numbers: int) -> None:
        await soon(lambda: self.numbers == set(numbers), f"{numbers}; has {self.numbers}")

    async def commit(self, offsets: dict[int, int]) -> None:
        fence: dict[str, Any] = {"member": self.member.member, "generation": self.member.generation}
        await aperform(commit, self.sub.stream, "billing", offsets, **fence)
        self.member.committed(offsets)

    def leave(self) -> None:
        """A goodbye."""
        self.member.stop()
        self.member.goodbye()

    def vanish(self) -> None:
        """Without a word."""
        self.member.stop()


async def turns(n: int) -> None:
    """Let the loop and its threads go on for a while, of no certain length."""
    for _ in range(n):
        await asyncio.sleep(0.001)
