"""What lasts is counted from when a transaction had what it waited for, and not from when it began to wait."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections

from brokerweb.core import clock
from brokerweb.core.clock import from_datetime, from_wall, seconds
from brokerweb.handout import lease, shared_groups
from brokerweb.queues import control, engine
from brokerweb.queues.definitions import find, take_turn
from brokerweb.queues.engine import Terms
from brokerweb.queues.messages import Leased, NewMessage, Settle
from brokerweb.queues.models import Message
from brokerweb.queues.selection import Q
from brokerweb.storage.postgres import wire
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import Transaction
from brokerweb.storage.transaction import transaction as unit
from tests.contract.store import NO_JITTER
from tests.contract.test_handover import FakeHandOver, Waiting
from tests.eventually import eventually
from tests.handout.bench import Share
from tests.queues.bench import Bench, Time
from tests.storage.desk import Desk

pytestmark = pytest.mark.usefixtures("on_postgres")

WAITED, LEASE = 60.0, 30.0
Run = Callable[..., Any]


@pytest.fixture(params=["by itself", "by a committer"])
def run(request: pytest.FixtureRequest, on_postgres: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a verb, with somebody who waits for messages where that is said."""
    monkeypatch.setattr(wire, "LONG", 0)  # whatever it takes is long
    waiting = FakeHandOver(Waiting("w", 10))
    if request.param == "by itself":

        def alone(verb: Callable[..., Any], *args: Any) -> Any:
            try:
                with unit(handover=waiting) as tx:
                    verb(tx, *args)
                return tx.outcome
            finally:
                connections.close_all()

        yield alone
        return
    desk = Desk(handover=waiting)

    def handed_in(verb: Callable[..., Any], *args: Any) -> Any:
        outcomes: list[Any] = []

        def noted(tx: Transaction) -> None:
            verb(tx, *args)
            outcomes.append(tx.outcome)

        call = desk.run(noted)
        assert call.error is None, call.error
        return outcomes[-1]

    yield handed_in
    desk.committer.stop()


@contextmanager
def held(time: Time, run: Run, verb: Callable[..., Any], *args: Any) -> Iterator[tuple[Transaction, Answer]]:
    """Take in it, by its transaction, what the verb needs: that begins then, and waits; a minute later it has it. What came of it
    is known behind it."""
    with ThreadPoolExecutor(1) as thread:
        with unit() as tx:
            answer = Answer()
            yield tx, answer
            tx.flush()
            begun = thread.submit(run, verb, *args)
            eventually(waits, why="it waits")
            time.advance(WAITED)
        answer.outcome = begun.result(20)


class Answer:
    outcome: Any


def waits() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])


def row() -> Message:
    return Message.objects.get()


def due(message: Message) -> int:
    return from_wall(from_datetime(message.due_at))


def test_a_lease_from_a_shared_group(time: Time, run: Run) -> None:
    share = Share()
    clock.install(time)
    share.append(1)
    queue = read(shared_groups.queue_of, "events", "workers")
    with held(time, run, lease.lease, queue.pk, 1, Terms("w", LEASE)) as (tx, _):
        lease.lease(tx, queue.pk, 0, Terms("v"))  # takes nothing but its turn
    assert due(row()) == time.now() + seconds(LEASE)


def test_what_a_publish_hands_over(time: Time, run: Run) -> None:
    bench = Bench(keyed=True, lease=LEASE)
    with held(time, run, engine.publish, bench.name, [NewMessage(b"1", key="k")]) as (tx, answer):
        take_turn(tx, find(tx, bench.name))
    [(_, [message])] = answer.outcome.handed
    assert message.lease_until == due(row()) == time.now() + seconds(LEASE)


def test_an_extension(time: Time, run: Run) -> None:
    """Of a lease that somebody had in hand until then."""
    bench = Bench(lease=10 * WAITED)
    bench.publish(1)
    [leased] = bench.lease()
    with held(time, run, engine.settle, [Settle("extend", str(leased.receipt), lease=LEASE)]) as (tx, answer):
        lock(tx, bench, leased)
    assert answer.outcome.extended == [(str(leased.receipt), time.now() + seconds(LEASE))]
    assert due(row()) == time.now() + seconds(LEASE)


@pytest.mark.parametrize("delay", [LEASE, None])
def test_a_wait_before_the_next_try(time: Time, run: Run, delay: float | None) -> None:
    bench = Bench(lease=10 * WAITED, backoff=NO_JITTER)
    bench.publish(1)
    [leased] = bench.lease()
    with held(time, run, engine.settle, [Settle("nack", str(leased.receipt), delay=delay)]) as (tx, _):
        lock(tx, bench, leased)
    assert due(row()) == time.now() + seconds(LEASE if delay else NO_JITTER["initial"])


def test_a_time_to_live(time: Time, run: Run) -> None:
    """Of a message that is put back as new."""
    bench = Bench(ttl=LEASE)
    [id] = bench.kill(1)
    with held(time, run, control.requeue, bench.name, id) as (tx, _):
        tx.rows(Q.hold_message, id, bench.row.pk)
    assert from_wall(from_datetime(row().expires_at)) == time.now() + seconds(LEASE)


def lock(tx: Transaction, bench: Bench, leased: Leased) -> None:
    tx.rows(Q.hold_message, leased.id, bench.row.pk)


def test_one_that_did_not_wait_has_one_instant(time: Time, on_postgres: None) -> None:
    with unit() as tx:
        began = tx.now
        time.advance(WAITED)
        find_nothing(tx)
        assert tx.now == began


def find_nothing(tx: Transaction) -> None:
    assert tx.row(Q.find_message, 1, 1) is None
