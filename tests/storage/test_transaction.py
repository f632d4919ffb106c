"""Transactions: a verb joins the caller's, and what it did is told once that is durable."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.transaction import TransactionManagementError

from brokerweb.core import events
from brokerweb.core.errors import Conflict, QueueFull, StoreFull, Unavailable
from brokerweb.queues import browse, control, counters, engine, leasing, publish
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Failure, Message, Queue
from brokerweb.storage import changes, run
from brokerweb.storage.driver import sqlite
from brokerweb.storage.run import perform
from brokerweb.storage.sqlite import SQLite
from brokerweb.storage.transaction import transaction as unit
from tests.queues.bench import Bench
from tests.storage.desk import Desk, put, refuse, stored

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def orders() -> Bench:
    return Bench("orders")


def test_a_message_commits_with_the_callers_own_rows(orders: Bench, told: list[events.Outcome]):
    with transaction.atomic():
        Queue.objects.filter(name="orders").update(pause_reason="mine")
        id = publish("orders", {"a": 1}, key="k", headers={"h": "v"}, priority=9, dedup_id="d")
        assert told == []
    message = Message.objects.get(pk=id)
    assert (bytes(message.body), message.key, message.headers, message.priority) == (b'{"a":1}', "k", '{"h":"v"}', 9)
    assert [outcome.ready for outcome in told if outcome.counts] == [{orders.row.pk}]
    assert orders.counts() == {"ready": 1}


def test_or_not_at_all(orders: Bench, told: list[events.Outcome]):
    with transaction.atomic():
        Queue.objects.filter(name="orders").update(pause_reason="mine")
        publish("orders", 1)
        publish("orders", 2, dedup_id="d")
        transaction.set_rollback(True)
    assert (orders.row.pause_reason, orders.counts(), told) == ("", {}, [])
    with transaction.atomic():
        publish("orders", 2, dedup_id="d")
    assert orders.counts() == {"ready": 1}


def test_an_inner_rollback_loses_what_is_inside_alone(orders: Bench, told: list[events.Outcome]):
    with transaction.atomic():
        first = publish("orders", 1)
        with contextlib.suppress(ZeroDivisionError), transaction.atomic():
            publish("orders", 2)
            raise ZeroDivisionError
        third = publish("orders", 3)
    assert orders.order() == [first, third]
    assert orders.counts() == {"ready": 2}
    assert sum(outcome.counts.get(("published", orders.row.pk), 0) for outcome in told) == 2


def test_a_death_that_is_rolled_back_left_no_failure():
    mortal = Bench("mortal", max_failures=1)
    mortal.publish(1)
    held = mortal.lease()
    with transaction.atomic():
        assert mortal.settle("nack", held) == ["ok"]
        transaction.set_rollback(True)
    assert mortal.counts() == {"leased": 1}
    assert not Failure.objects.exists()
    assert mortal.settle("ack", held) == ["ok"]


def test_a_refused_verb_leaves_the_callers_transaction_usable(orders: Bench):
    control_settings = {"max_length": 1}
    perform(control.declare, "orders", control_settings)
    with transaction.atomic():
        publish("orders", 1)
        with pytest.raises(QueueFull):
            publish("orders", 2)
        Queue.objects.filter(name="orders").update(pause_reason="mine")
    assert (orders.row.pause_reason, orders.counts()) == ("mine", {"ready": 1})


def test_a_broken_transaction_is_refused(orders: Bench):
    with transaction.atomic():
        with contextlib.suppress(IntegrityError):
            Queue.objects.create(name="orders", created_at=1)
        if connection.needs_rollback:
            with pytest.raises(TransactionManagementError):
                publish("orders", 1)
            transaction.set_rollback(True)
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            publish("orders", 1)
    assert orders.counts() == {}


def test_several_verbs_of_one_commit_see_each_other(orders: Bench):
    with transaction.atomic(), unit() as tx:
        [accepted] = engine.publish(tx, "orders", [NewMessage(b"1")])
        [leased] = leasing.lease(tx, "orders", 1, engine.Terms("w")).messages
        assert leased.id == accepted.id
        assert counters.counted(tx, orders.row.pk) == [0, 0, 0, 1, 0]
    assert orders.counts() == {"leased": 1}


def test_a_listener_that_fails_harms_nobody(orders: Bench, told: list[events.Outcome]):
    def fail(outcome: events.Outcome) -> None:
        raise ZeroDivisionError

    events.listen(fail)
    events.listen(told.append)
    orders.publish(1)
    assert len(told) == 2


# perform


def test_without_a_committer_each_call_is_a_commit_of_its_own():
    assert perform(put, "a") == "a"
    with pytest.raises(Conflict):
        perform(refuse)
    assert stored() == ["a"]


def test_with_a_committer_calls_go_through_it(desk: Desk):
    run.install(desk.committer)
    try:
        assert perform(put, "a") == "a"
        with pytest.raises(Conflict):
            perform(refuse)
        with transaction.atomic():
            perform(put, "joins")
            transaction.set_rollback(True)
    finally:
        run.install(None)
    assert stored() == ["a"]
    assert desk.committer.calls == 2


def test_errors_of_the_database_are_the_brokers(monkeypatch: pytest.MonkeyPatch):
    def full(tx: object) -> None:
        raise sqlite.OperationalError("database or disk is full")

    with pytest.raises(StoreFull):
        perform(full)


def test_what_the_database_refuses_takes_the_callers_transaction_with_it(orders: Bench):
    connection.cursor().execute("VACUUM")  # pages that other tests left free would do
    pages = connection.cursor().execute("PRAGMA page_count").fetchone()[0]
    connection.cursor().execute(f"PRAGMA max_page_count = {pages + 20}")
    try:
        with transaction.atomic():
            Queue.objects.filter(name="orders").update(pause_reason="mine")
            with pytest.raises(StoreFull):
                publish("orders", "x" * 1_000_000)
            assert connection.needs_rollback
    finally:
        connection.cursor().execute(f"PRAGMA max_page_count = {2**32 - 2}")
    assert (orders.row.pause_reason, orders.counts()) == ("", {})


@pytest.mark.parametrize("module", [sqlite3, sqlite])
def test_errors_mean_the_same_from_either_driver(module: object):
    dialect = SQLite()
    assert isinstance(dialect.translate(module.OperationalError("database or disk is full")), StoreFull)  # type: ignore[attr-defined]  # one of two modules, which both have it
    assert isinstance(dialect.translate(module.OperationalError("disk I/O error")), Unavailable)  # type: ignore[attr-defined]  # one of two modules, which both have it
    assert isinstance(dialect.translate(OperationalError("database is locked")), Unavailable)
    assert dialect.translate(ZeroDivisionError()) is None


# Commits of others


def test_a_commit_of_another_connection_is_noticed_once():
    def foreign() -> bool:
        return bool(perform(changes.foreign_commits))

    foreign()
    assert not foreign()
    perform(put, "own")
    assert not foreign()
    other = sqlite.connect(connection.settings_dict["NAME"])
    other.execute("INSERT INTO brokerweb_queues_dedup (queue_id, dedup_id, message_id, expires_at) VALUES (1, 'foreign', 1, 1)")
    other.commit()
    other.close()
    assert foreign()
    assert not foreign()


def test_counts_are_read_without_a_transaction(orders: Bench):
    orders.publish(1, 2)
    assert browse.counts([orders.row.pk])[orders.row.pk]["ready"] == 2
    assert not connection.in_atomic_block
