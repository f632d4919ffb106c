"""The committer: a crowd shares a commit, and nobody pays for another's error."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest
from django.db import OperationalError, connections

from brokerweb.core import events
from brokerweb.core.errors import Unavailable
from brokerweb.queues import control, duties, engine, leasing
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.storage import committer as module
from brokerweb.storage.django_sqlite.base import DatabaseWrapper
from brokerweb.storage.driver import sqlite
from tests.storage.desk import Desk, break_down, outcomes, put, put_and_refuse, refuse, stored


def test_a_lone_call_is_committed_and_answered(desk: Desk):
    assert desk.run(put, "a").result == "a"
    assert stored() == ["a"]


def test_what_waits_shares_one_commit_and_is_told_once(desk: Desk):
    told: list[events.Outcome] = []
    events.listen(told.append)
    calls = desk.together(*[(put, str(n)) for n in range(100)])
    assert outcomes(calls) == [str(n) for n in range(100)]
    assert desk.delivered[-1] == calls
    assert len(told) == 2, "the one that was held, and the batch"


def test_a_batch_is_bounded_in_calls(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH_CALLS", 3)
    desk.together(*[(put, str(n)) for n in range(7)])
    assert [len(batch) for batch in desk.delivered] == [1, 3, 3, 1]


def test_a_batch_is_bounded_in_bytes(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH_COST", 1000)
    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n), cost=600) for n in range(4)]
    go_on()
    for call in calls:
        desk.answered(call)
    assert [len(batch) for batch in desk.delivered] == [1, 2, 2]


def test_a_batch_is_bounded_in_time_and_everyone_is_answered(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "BATCH_SECONDS", -1)
    told: list[events.Outcome] = []
    events.listen(told.append)
    calls = desk.together((put, "a"), (refuse,), (put_and_refuse, "x"), (put, "b"))
    assert outcomes(calls) == ["a", "conflict", "conflict", "b"]
    assert stored() == ["a", "b"]


@pytest.mark.parametrize(
    ("verb", "code"),
    [((refuse,), "conflict"), ((put_and_refuse, "x"), "conflict"), ((break_down,), "internal")],
    ids=["refuse", "put_and_refuse", "break_down"],
)
def test_a_failing_verb_fails_by_itself(desk: Desk, verb: tuple[Any, ...], code: str):
    calls = desk.together((put, "a"), verb, (put, "b"), verb)
    assert outcomes(calls) == ["a", code, "b", code]
    assert stored() == ["a", "b"]
    assert outcomes([desk.run(*verb), desk.run(put, "c")]) == [code, "c"]
    assert desk.committer.last_error is None


def test_a_verb_that_fails_before_it_writes_costs_the_others_nothing(desk: Desk):
    ran: list[str] = []

    def count(tx: Any, name: str) -> None:
        ran.append(name)
        put(tx, name)

    desk.together((count, "a"), (refuse,), (count, "b"))
    assert ran == ["a", "b"]


def test_a_constraint_that_fails_costs_only_its_own_call(desk: Desk):
    calls = desk.together((put, "a"), (put, "a"), (put, "b"))
    assert [call.error is None for call in calls] == [True, False, True]
    assert stored() == ["a", "b"]
    assert desk.run(put, "a").error is not None
    assert desk.committer.last_error is None


def failing(monkeypatch: pytest.MonkeyPatch, method: str, message: str = "disk I/O error") -> list[str]:
    """Let a method of the committer's connection fail until the list is emptied; it grows with each failure."""
    failures = [""]
    original = getattr(DatabaseWrapper, method)

    def fail(self: Any) -> None:
        if failures and threading.current_thread().name == "committer":
            failures.append(message)
            raise OperationalError(message)
        original(self)

    monkeypatch.setattr(DatabaseWrapper, method, fail)
    return failures


def test_a_failing_commit_is_an_error_for_everyone_and_stores_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    told: list[events.Outcome] = []
    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n)) for n in range(5)] + [desk.hand_in(refuse)]
    events.listen(told.append)
    failures: list[str] = []

    def begin_to_fail(tx: Any) -> None:
        failures.extend(failing(monkeypatch, "_commit"))

    last = desk.hand_in(begin_to_fail)
    go_on()
    desk.answered(last)
    assert outcomes(calls) == ["unavailable"] * 6
    assert stored() == []
    assert len(told) == 1, "the one that was held"
    assert isinstance(desk.committer.last_error, Unavailable)
    monkeypatch.undo()
    assert desk.run(put, "a").result == "a"
    assert desk.committer.last_error is None


def test_a_commit_of_nothing_does_not_make_a_failing_store_look_healthy(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    failures = failing(monkeypatch, "_commit")
    assert outcomes([desk.run(put, "a")]) == ["unavailable"]
    failures.clear()
    assert desk.run(lambda tx: None).error is None
    assert desk.run(duties.forget_dedup).result == 0
    with_neighbours = desk.together((refuse,), (lambda tx: None,), (break_down,), (lambda tx: None,))
    assert [call.error is None for call in with_neighbours] == [False, True, False, True]
    assert isinstance(desk.committer.last_error, Unavailable)
    assert desk.run(put, "a").result == "a"
    assert desk.committer.last_error is None


def test_after_a_failed_commit_the_connection_is_a_new_one_that_checkpoints(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    def pragmas(tx: Any) -> tuple[int, int]:
        return id(tx.raw), tx.raw.execute("PRAGMA wal_autocheckpoint").fetchone()[0]

    before = desk.run(pragmas).result
    failing(monkeypatch, "_commit")
    assert outcomes([desk.run(put, "a")]) == ["unavailable"]
    monkeypatch.undo()
    after = desk.run(pragmas).result
    assert before[1] == after[1] == 4000
    assert stored() == []


def test_a_call_run_alone_behind_one_that_broke_the_connection_has_one_that_checkpoints(desk: Desk):
    def checkpoint(tx: Any) -> int:
        return int(tx.raw.execute("PRAGMA wal_autocheckpoint").fetchone()[0])

    broken, behind = desk.together((break_down,), (checkpoint,))
    assert broken.error is not None
    assert behind.result == 4000


def test_a_transaction_that_cannot_begin_is_an_error_for_everyone_at_once(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n)) for n in range(5)]
    failures = failing(monkeypatch, "_start_transaction_under_autocommit", "database is locked")
    go_on()
    assert outcomes([desk.answered(call) for call in calls]) == ["unavailable"] * 5
    assert failures[1:] == ["database is locked"], "one wait, not one each"


def test_a_full_disk_is_said_to_be_one_and_the_books_can_still_be_cleared(desk: Desk):
    def fill(tx: Any) -> None:
        pages = tx.raw.execute("PRAGMA page_count").fetchone()[0]
        tx.raw.execute(f"PRAGMA max_page_count = {pages}")

    desk.run(control.declare, "orders", {"max_body_bytes": 5_000_000})
    desk.run(engine.publish, "orders", [NewMessage(b"1")])
    receipt = desk.run(leasing.lease, "orders", 1, engine.Terms("w")).result.messages[0].receipt
    connections["default"].cursor().execute("VACUUM")  # what earlier tests left free would be room
    desk.run(fill)
    calls = desk.together((engine.publish, "orders", [NewMessage(b"x" * 4_000_000)]), (engine.settle, [Settle("ack", receipt)]))
    assert calls[0].error is not None
    assert (calls[0].error.code, calls[0].error.http_status) == ("store_full", 507)
    assert calls[1].result[0].status == "ok"


def test_calls_of_one_thread_run_in_their_order(desk: Desk):
    ran: list[tuple[str, int]] = []

    def note(tx: Any, thread: str, n: int) -> None:
        ran.append((thread, n))

    def hand_in(thread: str) -> None:
        for n in range(500):
            last[thread] = desk.hand_in(note, thread, n)

    last: dict[str, Any] = {}
    threads = [threading.Thread(target=hand_in, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for call in last.values():
        desk.answered(call)
    for name in "ab":
        assert [n for thread, n in ran if thread == name] == list(range(500))


def test_the_inbox_is_bounded_in_calls(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_CALLS", 4)
    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n)) for n in range(3)]
    assert desk.committer.crowded
    with pytest.raises(Unavailable):
        desk.hand_in(put, "too much")
    go_on()
    for call in calls:
        desk.answered(call)
    assert desk.run(put, "again").result == "again"
    assert not desk.committer.crowded


def test_the_inbox_is_bounded_in_bytes_but_takes_any_call_when_empty(desk: Desk, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MAX_COST", 1000)
    assert desk.answered(desk.hand_in(put, "large", cost=5000)).result == "large"
    go_on = desk.hold()
    with pytest.raises(Unavailable):
        desk.hand_in(put, "b", cost=900)
    go_on()


def test_stopping_runs_what_was_handed_in_and_refuses_the_rest(desk: Desk):
    go_on = desk.hold()
    calls = [desk.hand_in(put, str(n)) for n in range(3)]
    stopping = threading.Thread(target=desk.committer.stop)
    stopping.start()
    go_on()
    stopping.join()
    assert outcomes([desk.answered(call) for call in calls]) == ["0", "1", "2"]
    with pytest.raises(Unavailable):
        desk.hand_in(put, "late")
    desk.committer.stop()


def test_a_committer_that_cannot_open_its_connection_answers_all_the_same(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
):
    def refuse_to_open(self: Any, params: Any) -> None:
        raise sqlite.OperationalError("unable to open database file")

    desk = Desk()
    monkeypatch.setattr(DatabaseWrapper, "get_new_connection", refuse_to_open)
    assert outcomes([desk.run(put, "a")]) == ["unavailable"]
    monkeypatch.undo()
    assert outcomes([desk.run(put, "a")]) == ["a"]
    desk.committer.stop()


class Offers:
    """A hand-over that counts what is reserved and not yet given back."""

    lease, holder, acknowledge, most_bytes = None, "w", True, None

    def __init__(self) -> None:
        self.reserved = 0

    def has_room(self, queue_id: int) -> bool:
        return True

    def reserve(self, queue_id: int, wanted: int) -> Sequence[Any]:
        self.reserved += wanted
        return [(self, wanted)]

    def cancel(self, reserved: Sequence[Any]) -> None:
        self.reserved -= sum(n for _, n in reserved)


@pytest.mark.parametrize("spoiler", [(put_and_refuse, "x"), (break_down,), (refuse,)], ids=lambda s: s[0].__name__)
def test_takers_of_a_batch_that_is_run_again_are_reserved_once(transactional_db: None, spoiler: tuple[Any, ...]):
    offers = Offers()
    desk = Desk(handover=offers)
    desk.run(control.declare, "orders", {})
    told: list[events.Outcome] = []
    events.listen(told.append)
    publish = (engine.publish, "orders", [NewMessage(b"1"), NewMessage(b"2")])
    desk.together(publish, spoiler, publish)
    desk.committer.stop()
    assert offers.reserved == 4
    assert sum(len(messages) for outcome in told for _, messages in outcome.handed) == 4


def test_takers_of_a_commit_that_failed_are_free_again(transactional_db: None, monkeypatch: pytest.MonkeyPatch):
    offers = Offers()
    desk = Desk(handover=offers)
    desk.run(control.declare, "orders", {})
    failing(monkeypatch, "_commit")
    assert outcomes([desk.run(engine.publish, "orders", [NewMessage(b"1")])]) == ["unavailable"]
    assert offers.reserved == 0
    monkeypatch.undo()
    desk.committer.stop()


def test_the_committers_connection_is_closed_at_the_end(desk: Desk):
    def whose(tx: Any) -> Any:
        return connections["default"]

    connection = desk.run(whose).result
    desk.committer.stop()
    assert connection.connection is None
