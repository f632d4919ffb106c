"""Work until there is nothing left, on the caller's own thread: for tests, whose rows no other thread may see."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from asgiref.sync import async_to_sync
from django.db import DEFAULT_DB_ALIAS, transaction

from brokerweb.core.errors import NotFound
from brokerweb.handlers import turn
from brokerweb.handlers.choosing import source_of
from brokerweb.handlers.registry import discover
from brokerweb.handlers.sources import PartitionedSource, Source
from brokerweb.handlers.turn import Asked, Finished
from brokerweb.handlers.work import Failure, Handler, Work
from brokerweb.queues.messages import Settle
from brokerweb.storage.reading import read
from brokerweb.storage.run import joining
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import django as streams
from brokerweb.streams import groups, positions

HOLDER = "drain"


@dataclass
class Drained:
    """How many messages and records were done, and how the others failed."""

    done: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def taken(self) -> int:
        return self.done + len(self.failures)


def drain(sources: Sequence[Source | PartitionedSource], *, limit: int = 10_000) -> Drained:
    """Work on all that is ready, one after the other, until nothing is, or ``limit`` were taken; coroutines too.

    In the caller's transaction, where there is one. What fails is settled as ever, and waits for its next try; a partition whose
    record failed is left. Functions have no time limit here. Raises NotFound for a source that is not there.
    """
    drained, stuck = Drained(), set[tuple[str, int]]()
    while drained.taken < limit and sum(_one(source, drained, stuck) for source in sources):
        pass
    return drained


def _one(source: Source | PartitionedSource, drained: Drained, stuck: set[tuple[str, int]]) -> bool:
    """Whether there was a message to work on."""
    found = next(_records(source, drained, stuck), False) if isinstance(source, PartitionedSource) else _message(source, drained)
    return bool(found)


def _message(source: Source, drained: Drained) -> bool:
    with joining() as tx:
        leased, _ = source.lease(tx, 1, HOLDER)
    for message in leased:
        _settle(source, message, drained)
    return bool(leased)


def _settle(source: Source, message: Any, drained: Drained) -> None:
    def ack(tx: Transaction, result: Any) -> None:
        source.settle(tx, [Settle("ack", message.receipt)])
        source.handler.done(tx, message, result)

    try:
        _call(source.handler, message, ack)
    except Exception as error:
        failure = Failure.of(error)
        drained.failures.append(failure)
        with joining() as tx:
            turn.take(tx, source, Asked([Finished(message, failure=failure)]), HOLDER)
    else:
        drained.done += 1


def _call(handler: Handler, message: Any, ack: Any) -> None:
    """Run its work, and ``ack(tx, result)``; both in one transaction where it is atomic."""
    work = handler.work(message)
    if not work.atomic:
        result = _result(work)
        with joining() as tx:
            ack(tx, result)
        return
    with transaction.atomic(using=DEFAULT_DB_ALIAS):
        result = _result(work)
        with joining() as tx:
            ack(tx, result)


def _result(work: Work) -> Any:
    return async_to_sync(_awaited)(work) if work.coroutine else work.call()


async def _awaited(work: Work) -> Any:
    async with asyncio.timeout(work.timeout):
        return await work.call()


# Partitioned groups


def _records(source: PartitionedSource, drained: Drained, stuck: set[tuple[str, int]]) -> Iterator[bool]:
    """True for each record that was worked on, once that is committed."""
    for partition, offset in _places(source).items():
        if (source.name, partition) in stuck:
            continue
        for record in streams.read(source.stream, partition=partition, offset=offset, limit=1).records:
            if not _pass(source, record, drained):
                stuck.add((source.name, partition))
            yield True


def _places(source: PartitionedSource) -> dict[int, int]:
    try:
        return streams.committed(source.stream, source.group)
    except NotFound:
        streams.declare_group(source.stream, source.group, start="earliest")
    return streams.committed(source.stream, source.group)


def _pass(source: PartitionedSource, record: streams.Record, drained: Drained) -> bool:
    """Whether the group is past the record."""

    def ack(tx: Transaction, result: Any) -> None:
        _commit(tx, source, record)
        source.handler.done(tx, record, result)

    try:
        _call(source.handler, record, ack)
    except Exception as error:
        failure = Failure.of(error)
        drained.failures.append(failure)
        with joining() as tx:
            decided = source.handler.failed(tx, record, failure)
            if decided.kind not in ("ack", "dead"):
                return False
            _commit(tx, source, record)
        return True
    drained.done += 1
    return True


def _commit(tx: Transaction, source: PartitionedSource, record: streams.Record) -> None:
    group = groups.find_group(tx, source.stream, source.group)
    positions.commit(tx, source.stream, source.group, {record.partition: record.offset + 1}, generation=group.generation)


def sources_of_all() -> list[Source | PartitionedSource]:
    """Those of all handlers that there are."""
    return [read(source_of, consumer) for consumer in discover()]
