"""What is sent together runs in its order, and everybody hears what was meant for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection
from django.db import transaction as django_transaction

from brokerweb.core import clock
from brokerweb.core.errors import Unavailable
from brokerweb.queues.models import Dedup
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.postgres.errors import ForeseenWrong
from brokerweb.storage.postgres.wire import Wire, wire_of
from brokerweb.storage.statements import Statement
from brokerweb.storage.transaction import Transaction, transaction
from tests.storage.desk import PUT, put, stored

COUNT = Statement("count", ())
COUNT.add(None, "SELECT count(*) FROM brokerweb_queues_dedup")
REMOVE = Statement("remove", ("name",))
REMOVE.add(None, "DELETE FROM brokerweb_queues_dedup WHERE dedup_id = :name")


@pytest.fixture
def wire(on_postgres: None) -> Iterator[Wire]:
    """That of a connection which has been made a lane's, in a process that follows the database's clock."""
    connection.ensure_connection()
    raw, dialect = connection.connection, dialect_of(connection)
    dialect.prepare(raw)
    clock.install(dialect.shared_clock(raw))
    yield wire_of(raw)
    clock.install(None)


@pytest.fixture
def sends(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The first words of what went in each round trip."""
    trips: list[list[str]] = []
    send = Wire.send

    def noted(self: Wire, raw: Any) -> list[Any]:
        trips.append([text.split()[0] for text, _, _ in self.waiting])
        return send(self, raw)

    monkeypatch.setattr(Wire, "send", noted)
    return trips


def asks(tx: Transaction) -> int:
    return int(tx.value(COUNT))


def run(verb: Callable[[Transaction], Any], *, foreseeing: bool = False) -> None:
    with transaction(foreseeing=foreseeing) as tx:
        verb(tx)


def test_what_nobody_waits_for_goes_with_what_somebody_does(sends: list[list[str]]):
    with transaction() as tx:
        tx.later(PUT, "a")
        assert asks(tx) == 1
        tx.later(PUT, "b")
        tx.later(PUT, "c")
    assert sends == [["BEGIN", "SELECT", "INSERT", "SELECT"], ["INSERT", "INSERT", "COMMIT"]], "the first asks for the time"
    assert stored() == ["a", "b", "c"]


def test_a_question_is_answered_as_of_when_it_was_asked(sends: list[list[str]]):
    with transaction() as tx:
        before = tx.ask(COUNT)
        tx.later(PUT, "a")
        after = tx.ask(COUNT)
        assert (before(), after(), after()) == ([(0,)], [(1,)], [(1,)])
    assert len(sends) == 2


def test_an_answer_that_is_foreseen_is_looked_at_before_the_commit(sends: list[list[str]]):
    with transaction(foreseeing=True) as tx:
        assert tx.changes(1, PUT, "a")
        assert tx.foreseen((1,), COUNT) == (1,)
    assert sends == [["BEGIN", "SELECT", "INSERT", "SELECT"], ["COMMIT"]]
    assert stored() == ["a"]


@pytest.mark.parametrize("asked", [True, False], ids=["with a question", "at the commit"])
def test_where_another_answer_comes_than_was_foreseen_nothing_is_stored(wire: Wire, asked: bool):
    def verb(tx: Transaction) -> None:
        tx.later(PUT, "a")
        assert tx.changes_each(REMOVE, [["a"], ["b"]]) == [1, 1]
        if asked:
            asks(tx)

    with pytest.raises(ForeseenWrong):
        run(verb, foreseeing=True)
    assert stored() == []
    run(lambda tx: put(tx, "d"))
    assert stored() == ["d"]


def test_who_does_not_come_again_waits_for_every_answer(sends: list[list[str]]):
    with transaction() as tx:
        assert tx.changes_each(REMOVE, [["a"]]) == [0]
        assert not tx.changes(1, REMOVE, "a")
        assert tx.foreseen((1,), COUNT) == (0,)
    assert len(sends) == 4


def test_the_orm_sees_what_was_to_be_sent_later(wire: Wire):
    with transaction() as tx:
        tx.later(PUT, "a")
        assert Dedup.objects.count() == 1
        savepoint = django_transaction.savepoint()
        tx.later(PUT, "b")
        django_transaction.savepoint_rollback(savepoint)
        tx.later(PUT, "c")
    assert stored() == ["a", "c"]


def put_twice(tx: Transaction) -> None:
    tx.later(PUT, "a")
    tx.later(PUT, "a")


def put_twice_and_ask(tx: Transaction) -> None:
    put_twice(tx)
    asks(tx)


def put_what_cannot_be_sent(tx: Transaction) -> None:
    put(tx, "b")
    tx.later(PUT, object())
    asks(tx)


def put_twice_and_go_on(tx: Transaction) -> None:
    put(tx, "c")
    with suppress(psycopg.errors.UniqueViolation):
        put(tx, "c")


@pytest.mark.parametrize(
    ("verb", "error"),
    [
        (put_twice, IntegrityError),
        (put_twice_and_ask, psycopg.errors.UniqueViolation),
        (put_what_cannot_be_sent, TypeError),
        (put_twice_and_go_on, Unavailable),
    ],
)
def test_what_fails_leaves_nothing_behind(wire: Wire, verb: Callable[[Transaction], Any], error: type[Exception]):
    with pytest.raises(error):
        run(verb)
    assert stored() == []
    run(lambda tx: put(tx, "d"))
    assert stored() == ["d"]
