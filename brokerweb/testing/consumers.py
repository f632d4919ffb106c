"""Handlers run in a test: one message after the other, in the test's own thread and transaction, until nothing is ready."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from asgiref.sync import async_to_sync
from django.db import DatabaseError, connection, transaction
from django.test import TestCase

from brokerweb.handlers import registry
from brokerweb.handlers.batches import Batch, BatchedSource
from brokerweb.handlers.choosing import source_of
from brokerweb.handlers.draining import drain
from brokerweb.handlers.registry import Consumer
from brokerweb.handlers.sources import PartitionedSource, QueueSource, Source
from brokerweb.handlers.work import Failure, Handler, Settlement, Work
from brokerweb.queues import control, duties
from brokerweb.queues.django import Received
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage import transaction as store
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.reading import Reader, read
from brokerweb.storage.run import perform
from brokerweb.testing import published
from brokerweb.testing.published import Published

if TYPE_CHECKING:
    from brokerweb.handlers.work import Message as Given
    from brokerweb.storage.transaction import Transaction


@dataclass
class Ran:
    """What ``run_consumers`` did: how many messages were handled well, and the errors of those that were not."""

    handled: int = 0
    errors: list[BaseException] = field(default_factory=list)


class Rules(NamedTuple):
    """How they are run, as ``Broker.run_consumers`` is told."""

    raise_errors: bool = True
    delayed: bool = False
    limit: int = 1000


def run(chosen: Sequence[tuple[str, str]], settled: list[Published], rules: Rules) -> Ran:
    """Run the handlers of these sources, or all; messages that are done with go into ``settled``."""
    return _work([read(source_of, consumer) for consumer in _chosen(chosen)], settled, rules)


def run_tasks(queues: Sequence[str], settled: list[Published], rules: Rules) -> Ran:
    """Run the tasks of these queues, or of all that ``TASKS`` names."""
    from brokerweb.tasks import declared, working  # late: not every Django has tasks

    names = queues or sorted({name for _, name, _ in declared.queues()})
    return _work([working.TaskSource(name) for name in names], settled, rules)


def _work(sources: Sequence[Source | PartitionedSource], settled: list[Published], rules: Rules) -> Ran:
    for source in sources:
        source.handler = _Watched(source.handler, settled)
    queues = {source.queue for source in sources if isinstance(source, BatchedSource | QueueSource) and source.queue}
    early = queues if rules.delayed else set[str]()
    ran = Ran()
    _let_fall_due(early)
    while True:
        step = drain(sources, limit=1 if rules.raise_errors else rules.limit + 1)
        ran.handled += step.done
        ran.errors += [failure.error for failure in step.failures]
        if ran.errors and rules.raise_errors:
            raise ran.errors[0]
        if ran.handled + len(ran.errors) > rules.limit:
            raise AssertionError(
                f"After {rules.limit} messages there is still something ready: do handlers publish to themselves?"
            )
        if not _let_fall_due(early) and not (step.taken and rules.raise_errors):
            return ran


def _chosen(chosen: Sequence[tuple[str, str]]) -> list[Consumer]:
    """The handlers of these sources, or all. Raises LookupError where a source has none."""
    consumers = registry.discover()
    there = {_place(consumer) for consumer in consumers}
    for place in chosen:
        if place not in there:
            known = ", ".join(":".join(each) for each in sorted(there)) or "none at all"
            raise LookupError(f"No handler is registered for {':'.join(place)}. There are: {known}.")
    return [consumer for consumer in consumers if not chosen or _place(consumer) in chosen]


def _place(consumer: Consumer) -> tuple[str, str]:
    return ("queue", consumer.queue) if consumer.queue is not None else ("stream", str(consumer.stream))


# What time, and a commit, would bring


def _let_fall_due(early: Iterable[str]) -> bool:
    """What a broker does as time passes: what is due becomes ready, and of the queues in ``early`` what is not due yet.

    Whether anything did.
    """
    ready = int(perform(duties.promote))
    waiting = Message.objects.filter(queue__name__in=early, state=State.SCHEDULED)
    for name, id in waiting.values_list("queue__name", "id"):
        perform(control.reschedule, name, id, due_at=0)
        ready += 1
    return bool(ready) or _let_keys_go_on()


def _let_keys_go_on() -> bool:
    """Of several writers keys that a caller's transaction has left go on after its commit, which a test's own never has."""
    connection.ensure_connection()
    dialect = dialect_of(connection)
    orphans = [] if dialect.single_writer else duties.orphaned_keys(Reader(connection.connection, dialect))
    if orphans:
        perform(duties.ready_orphans, orphans)
    return bool(orphans)


class _Watched:
    """A handler, that of ``inner``, in a test: what it is done with is remembered, and its commits happen."""

    def __init__(self, inner: Handler, settled: list[Published]) -> None:
        self.name, self._inner, self._settled = inner.name, inner, settled
        self._before: list[Published] = []

    def work(self, message: Given) -> Work:
        given = message if isinstance(message, Batch) else [message]
        found = (published.one(each.id) for each in given if isinstance(each, Received))
        self._before = [each for each in found if each is not None]
        work = self._inner.work(message)
        call: Callable[[], Any] = async_to_sync(work.call) if work.coroutine else work.call
        return replace(work, call=partial(_as_committed, call), coroutine=False)

    def done(self, tx: Transaction, message: Given, result: Any) -> None:
        self._inner.done(tx, message, result)
        self._settled += [replace(each, state="settled", attempts=message.attempts) for each in self._before]

    def failed(self, tx: Transaction, message: Given, failure: Failure) -> Settlement:
        return self._inner.failed(tx, message, failure)


def _as_committed(call: Callable[[], Any]) -> Any:
    """``call()``, and what it left for its commit, where the test's transaction is never committed.

    An error of the database takes its own rows along and no others, as it would have in a transaction of its own.
    """
    blocks: list[Any] = connection.atomic_blocks
    if not any(block._from_testcase for block in blocks):
        return call()
    with _following(), _unharmed():
        return call()


@contextmanager
def _following() -> Iterator[None]:
    """Callbacks of ``on_commit`` run at the end; not the broker's own, which would tell other processes of what nobody sees."""
    with TestCase.captureOnCommitCallbacks() as left:
        yield
    while left:
        with TestCase.captureOnCommitCallbacks() as more:
            for callback in left:
                if callback.__module__ != store.__name__:
                    callback()
        left = more


@contextmanager
def _unharmed() -> Iterator[None]:
    point: Any = connection.savepoint()  # that of `transaction` has another name from Django 6.1 on
    try:
        yield
    except BaseException:
        try:
            transaction.savepoint_commit(point)
        except DatabaseError:
            transaction.set_rollback(False)
            transaction.savepoint_rollback(point)
        raise
    transaction.savepoint_commit(point)
