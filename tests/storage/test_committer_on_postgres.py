"""The committer on a database that has several writers, and connections that are lost."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from brokerweb.storage.postgres import dialect
from tests.storage.desk import WAIT, Desk, outcomes, put, stored

Verb = Callable[..., Any]


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
