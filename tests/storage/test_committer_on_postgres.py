"""The committer on a database that has several writers, and connections that are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from brokerweb.core import clock
from brokerweb.core.errors import TooLarge
from brokerweb.queues import control, definitions, engine, leasing
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Queue
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import WARY
from brokerweb.storage.postgres import dialect
from brokerweb.storage.postgres.wire import Wire
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import transaction
from tests.storage.desk import WAIT, Desk, outcomes, put, stored

Verb = Callable[..., Any]

NUMBER = Statement("number", ("name",))
NUMBER.add(None, "SELECT message_id FROM brokerweb_queues_dedup WHERE dedup_id = :name")


@pytest.fixture
def desk(on_postgres: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(dialect, "SETTINGS", f"{dialect.SETTINGS}; SET lock_timeout = '50ms'; SET deadlock_timeout = '20ms'")
    desk = Desk()
    yield desk
    desk.committer.stop()


@pytest.fixture
def other(on_postgres: None) -> Iterator[psycopg.Connection[Any]]:
    """Somebody else's connection."""
    settings = connections["default"].get_connection_params()
    found = {name: settings[name] for name in ("host", "user", "dbname")}
    with psycopg.connect(**found) as raw:
        yield raw


class Once:
    """A verb that puts its name, and the first time does something else besides."""

    def __init__(self, besides: Verb) -> None:
        self.besides, self.ran = besides, 0

    def __call__(self, tx: Any, name: str) -> str:
        self.ran += 1
        put(tx, name)
        if self.ran == 1:
            self.besides(tx)
        return name


def fail_with(state: str) -> Verb:
    def fail(tx: Any) -> None:
        tx.raw.execute(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{state}'; END $$")

    return fail


def end_connection(tx: Any) -> None:
    tx.raw.execute("SELECT pg_terminate_backend(pg_backend_pid())")


@pytest.mark.parametrize("besides", [fail_with("40001"), fail_with("40P01"), end_connection], ids=["40001", "40P01", "lost"])
def test_what_may_succeed_at_once_is_run_once_more_as_it_is(desk: Desk, other: Any, besides: Verb):
    verb = Once(besides)
    calls = desk.together((put, "a"), (verb, "b"), (put, "c"))
    assert outcomes(calls) == ["a", "b", "c"]
    assert desk.delivered[-1] == calls, "in one commit"
    assert verb.ran == 2
    assert stored() == ["a", "b", "c"]
    assert desk.committer.last_error is None


def foresee(tx: Any, *rows: int) -> list[Any]:
    """What two look like that nobody has touched; ``rows`` are the numbers that are foreseen."""
    found = [tx.foreseen((row,), NUMBER, name) for name, row in zip(("1", "2"), rows, strict=True)]
    touch(tx, "1")
    return found


def test_a_batch_whose_answers_were_foreseen_wrong_is_run_again_and_waits(desk: Desk, other: Any):
    desk.together((put, "1"), (put, "2"))
    foreseeing: list[bool] = []
    note = lambda tx: foreseeing.append(tx.foreseeing)
    calls = desk.together((put, "a"), (foresee, 1, 5), (note,))
    assert outcomes(calls) == ["a", [(1,), (1,)], None]
    assert desk.delivered[-1] == calls, "in one commit"
    desk.run(note)
    assert foreseeing == [True, False, False], "nor does the next for a while"
    assert outcomes(desk.together((foresee, 9, 9))) == [[(2,), (1,)]]
    assert stored() == ["1", "2", "a"]


def test_a_last_verb_that_meets_a_conflict_again_is_left_out_and_costs_the_calls_nothing(on_postgres: None):
    desk = Desk(closing=fail_with("40001"))
    try:
        assert desk.run(put, "a").result == "a"
        assert outcomes(desk.together((put, "b"), (put, "c"))) == ["b", "c"]
    finally:
        desk.committer.stop()


@pytest.fixture
def orders(on_postgres: None) -> Iterator[Queue]:
    """A queue, in a process that follows the database's clock, and has seen no other queue of that id."""
    definitions.rows.clear()
    with transaction() as tx:
        queue, _ = control.declare(tx, "orders", {})
        clock.install(tx.dialect.shared_clock(tx.raw))
    yield queue
    clock.install(None)


def publish(desk: Desk, *bodies: bytes) -> Call:
    return desk.run(engine.publish_each, "orders", [[NewMessage(body) for body in bodies]])


def lease(tx: Any, queue: Queue, n: int) -> list[str]:
    [found], _ = leasing.lease_round(tx, queue.pk, [leasing.Want(n, leasing.Terms("anybody"))])
    return [str(message.receipt) for message in found]


def ack_and_lease(tx: Any, queue: Queue, receipts: list[str]) -> tuple[list[str], list[str]]:
    settled = engine.settle(tx, [Settle("ack", receipt) for receipt in receipts])
    return [each.status for each in settled], lease(tx, queue, len(receipts))


def test_a_publish_and_a_settlement_with_its_refill_are_two_round_trips_each(
    desk: Desk, orders: Queue, monkeypatch: pytest.MonkeyPatch
):
    publish(desk, *[b"1"] * 9)
    [one, *others] = desk.run(lease, orders, 5).result
    trips, send = list[str](), Wire.send

    def noted(self: Wire, raw: Any) -> list[Any]:
        trips.append(self.waiting[-1][0].split()[0])
        return send(self, raw)

    monkeypatch.setattr(Wire, "send", noted)
    publish(desk, b"2", b"3")
    assert trips == ["SELECT", "COMMIT"]
    assert desk.run(ack_and_lease, orders, others).result[0] == ["ok"] * 4
    assert desk.run(ack_and_lease, orders, [one]).result[0] == ["ok"]
    assert trips == ["SELECT", "COMMIT"] * 3


def test_what_others_did_meanwhile_counts_also_where_it_was_not_foreseen(desk: Desk, other: Any, orders: Queue):
    publish(desk, *[b"12345"] * 9)
    [one, *others] = desk.run(lease, orders, 5).result
    other.execute("UPDATE brokerweb_queues_queue SET max_body_bytes = 4")
    other.execute("UPDATE brokerweb_queues_message SET attempts = 2 WHERE id = %s", [int(one.split("-")[1])])
    other.commit()
    statuses, more = desk.run(ack_and_lease, orders, [one, *others]).result
    assert statuses == ["lease_lost", "ok", "ok", "ok", "ok"]
    assert len(more) == 4
    for _ in range(WARY):
        desk.run(lambda tx: None)
    [refused] = publish(desk, b"12345").result
    assert isinstance(refused, TooLarge)


def test_a_connection_that_ended_meanwhile_costs_nothing_where_all_answers_are_foreseen(desk: Desk, other: Any, orders: Queue):
    publish(desk, b"1")
    ended = desk.run(lambda tx: tx.raw.info.backend_pid).result
    other.execute("SELECT pg_terminate_backend(%s, 5000)", [ended])
    found = desk.run(definitions.find, "orders")
    assert (found.error, found.result.id) == (None, orders.pk)
    assert desk.run(lambda tx: tx.raw.info.backend_pid).result != ended


def test_what_fails_so_again_fails_by_itself_and_may_be_tried_again(desk: Desk, other: Any):
    calls = desk.together((put, "a"), (lambda tx: fail_with("40001")(tx),), (put, "c"))
    assert outcomes(calls) == ["a", "unavailable", "c"]
    assert calls[1].error is not None
    assert calls[1].error.retryable
    assert stored() == ["a", "c"]
    assert desk.committer.last_error is None, "which says nothing of the store"


def touch(tx: Any, name: str) -> None:
    tx.raw.execute("UPDATE brokerweb_queues_dedup SET message_id = 2 WHERE dedup_id = %s", [name])


def test_a_row_that_others_hold_costs_only_who_wants_it(desk: Desk, other: Any):
    desk.run(put, "held")
    other.execute("SELECT 1 FROM brokerweb_queues_dedup FOR UPDATE")
    calls = desk.together((put, "a"), (touch, "held"), (put, "b"))
    assert outcomes(calls) == ["a", "unavailable", "b"]
    assert desk.committer.last_error is None
    other.rollback()
    assert desk.run(touch, "held").error is None


def test_of_two_that_wait_for_each_other_the_committer_gives_way_and_comes_again(desk: Desk, other: Any):
    desk.run(put, "1")
    desk.run(put, "2")
    update = "UPDATE brokerweb_queues_dedup SET message_id = 3 WHERE dedup_id = %s"
    others: list[threading.Thread] = []

    def take_the_other_way_round(tx: Any) -> None:
        for thread in others:  # they go on when this has given way
            thread.join()
        touch(tx, "1")
        if not others:
            other.execute(update, ["2"])
            others.append(threading.Thread(target=lambda: (other.execute(update, ["1"]), other.commit())))
            others[0].start()
        tx.raw.execute("SET LOCAL lock_timeout = 0")
        touch(tx, "2")

    assert desk.run(take_the_other_way_round).error is None
    other.rollback()
    assert {n for (n,) in other.execute("SELECT message_id FROM brokerweb_queues_dedup")} == {2}
    other.rollback()


@pytest.fixture
def at_commit(other: psycopg.Connection[Any]) -> Iterator[Callable[[str], None]]:
    """Have the server do something when a transaction that put a name commits."""

    def install(statement: str) -> None:
        other.execute(
            f"CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {statement}; RETURN NULL; END $$"
        )
        other.execute(
            "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON brokerweb_queues_dedup DEFERRABLE INITIALLY DEFERRED "
            "FOR EACH ROW EXECUTE FUNCTION at_commit()"
        )
        other.commit()

    yield install
    other.rollback()
    other.execute("DROP FUNCTION at_commit CASCADE")
    other.commit()


@pytest.mark.parametrize(
    "statement",
    ["PERFORM pg_terminate_backend(pg_backend_pid())", "RAISE WARNING 'canceling wait for synchronous replication'"],
    ids=["lost", "warned"],
)
def test_where_it_is_not_known_whether_a_commit_is_stored_nobody_is_told_that_it_is(desk: Desk, at_commit: Any, statement: str):
    at_commit(statement)
    verb = Once(lambda tx: None)
    before = desk.run(lambda tx: tx.raw.info.backend_pid).result
    calls = desk.together((verb, "a"), (put, "b"))
    assert outcomes(calls) == ["unavailable", "unavailable"]
    assert verb.ran == 1, "it may be stored"
    assert desk.committer.last_error is not None
    assert desk.run(lambda tx: tx.raw.info.backend_pid).result != before


def test_a_commit_that_is_refused_costs_only_who_spoilt_it(desk: Desk, other: Any, at_commit: Any):
    at_commit("IF NEW.dedup_id = 'bad' THEN RAISE EXCEPTION 'no'; END IF")
    calls = desk.together((put, "a"), (put, "bad"), (put, "b"))
    assert outcomes(calls) == ["a", "unavailable", "b"]
    assert stored() == ["a", "b"]


def test_where_no_connection_can_be_opened_all_are_told_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    tried: list[None] = []

    def refuse(*_: Any, **__: Any) -> None:
        tried.append(None)
        raise psycopg.OperationalError("connection refused")

    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n)) for n in range(20)]
    monkeypatch.setattr(psycopg, "connect", refuse)
    monkeypatch.setattr(psycopg.Connection, "connect", refuse)
    connection = desk.hand_in(end_connection)
    go_on()
    assert outcomes([desk.answered(call) for call in (*calls, connection)]) == ["unavailable"] * 21
    assert len(tried) == 1
    monkeypatch.undo()
    assert desk.run(put, "a").result == "a"
    assert WAIT
