"""The database backend: how connections are set up, and the one fair lock around every write of the process."""

from __future__ import annotations

import threading
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, connection, connections, transaction
from django.db.transaction import TransactionManagementError

from brokerweb.queues.models import Dedup
from brokerweb.storage.django_sqlite import base
from brokerweb.storage.django_sqlite.base import DatabaseWrapper
from brokerweb.storage.driver import sqlite
from brokerweb.storage.write_lock import FairLock, lock_for
from tests.eventually import eventually

BUSY = 20


def test_the_lock_is_free_again_after_each_holder():
    lock = FairLock()
    assert lock.acquire()
    lock.release()
    assert lock.acquire()


def test_waiters_are_served_in_the_order_they_came():
    lock, served = FairLock(), list[int]()
    lock.acquire()

    def wait(n: int) -> None:
        lock.acquire()
        served.append(n)
        lock.release()

    def waiting(n: int) -> bool:
        return len(lock._waiting) == n

    threads = []
    for n in range(5):
        threads.append(threading.Thread(target=wait, args=(n,)))
        threads[-1].start()
        eventually(partial(waiting, n + 1))
    lock.release()
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4]


def test_whoever_releases_and_wants_it_again_waits_behind_the_others():
    lock, served = FairLock(), list[str]()
    lock.acquire()

    def wait() -> None:
        lock.acquire()
        served.append("waiter")
        lock.release()

    waiter = threading.Thread(target=wait)
    waiter.start()
    eventually(lambda: lock._waiting)
    lock.release()
    lock.acquire()
    served.append("greedy")
    lock.release()
    waiter.join()
    assert served == ["waiter", "greedy"]


def test_a_waiter_that_gives_up_leaves_no_hole():
    lock = FairLock()
    lock.acquire()
    assert not lock.acquire(timeout=0.01)
    lock.release()
    assert lock.acquire(timeout=0.01)


def test_a_turn_that_comes_as_the_waiter_gives_up_is_taken():
    lock = FairLock()
    lock.acquire()
    turn = threading.Lock()
    assert lock._give_up(turn), "it was handed the lock: it is no longer among those who wait"


@pytest.mark.django_db(transaction=True)
class TestConnections:
    def pragma(self, name: str) -> Any:
        with connection.cursor() as cursor:
            return cursor.execute(f"PRAGMA {name}").fetchone()[0]

    def test_a_confirmed_commit_is_on_disk_and_only_the_committer_checkpoints(self):
        found = {name: self.pragma(name) for name in ("journal_mode", "synchronous", "wal_autocheckpoint", "foreign_keys")}
        assert found == {"journal_mode": "wal", "synchronous": 2, "wal_autocheckpoint": 0, "foreign_keys": 1}

    def test_it_runs_on_a_sqlite_without_the_checkpoint_race(self):
        assert sqlite.sqlite_version_info >= (3, 51, 3)

    def locked(self) -> bool:
        return bool(lock_for(str(connection.settings_dict["NAME"]))._held)

    def test_the_lock_is_held_exactly_as_long_as_a_transaction(self):
        assert not self.locked()
        with transaction.atomic():
            assert self.locked()
            with transaction.atomic():
                Dedup.objects.create(queue_id=1, dedup_id="a", message_id=1, expires_at=1)
            assert self.locked()
        assert not self.locked()
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            raise ZeroDivisionError
        assert not self.locked()

    def test_a_write_without_transaction_holds_it_for_the_statement(self):
        Dedup.objects.filter(queue_id=1).delete()
        assert not self.locked()
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO brokerweb_queues_dedup VALUES (%s, %s, 1, 1)", [(1, "a"), (1, "b")])
            with pytest.raises(OperationalError):
                cursor.execute("INSERT INTO nowhere VALUES (1)")
        assert not self.locked()

    def test_a_failed_begin_a_failed_commit_and_a_close_give_it_back(self, monkeypatch: pytest.MonkeyPatch):
        class Failing:
            def __getattr__(self, name: str) -> Any:
                return getattr(raw, name)

            def commit(self) -> None:
                raise DatabaseWrapper.Database.OperationalError("no")

        other = DatabaseWrapper.Database.connect(**connection.get_connection_params())
        other.execute("BEGIN IMMEDIATE")
        connection.ensure_connection()
        connection.connection.execute("PRAGMA busy_timeout=0")
        with pytest.raises(OperationalError, match="locked"), transaction.atomic():
            pass
        other.close()
        assert not self.locked()
        with monkeypatch.context() as patch:
            raw = connection.connection
            patch.setattr(connections["default"], "connection", Failing())
            with pytest.raises(OperationalError, match="no"), transaction.atomic():
                Dedup.objects.create(queue_id=1, dedup_id="x", message_id=1, expires_at=1)
        assert not self.locked()
        assert not Dedup.objects.exists()
        connection.set_autocommit(False, force_begin_transaction_with_broken_autocommit=True)
        assert self.locked()
        connection.close()
        assert not self.locked()

    def test_who_waits_too_long_is_told_so(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(base, "BUSY_TIMEOUT", 0.01)
        lock = lock_for(str(connection.settings_dict["NAME"]))
        lock.acquire()
        try:
            with pytest.raises(OperationalError, match="locked"), transaction.atomic():
                pass
        finally:
            lock.release()
        with transaction.atomic():
            pass

    def test_readers_do_not_wait_for_a_writer(self):
        counted: list[int] = []

        def read() -> None:
            counted.append(Dedup.objects.count())
            connections.close_all()

        with transaction.atomic():
            Dedup.objects.create(queue_id=1, dedup_id="a", message_id=1, expires_at=1)
            reader = threading.Thread(target=read)
            reader.start()
            reader.join(BUSY)
        assert counted == [0]


def outermost() -> Any:
    """The connection's short way; its stubs know only Django's own."""
    wrapper: Any = connection
    return wrapper.outermost()


def remember(dedup_id: str) -> None:
    Dedup.objects.create(queue_id=1, dedup_id=dedup_id, message_id=1, expires_at=1)


@pytest.mark.django_db(transaction=True)
class TestOutermost:
    """The short way into a transaction keeps the rules of ``atomic()``."""

    def test_orm_and_atomic_blocks_join_it_with_savepoints(self):
        def undone() -> None:
            with transaction.atomic():
                remember("undone")
                raise ZeroDivisionError

        with outermost():
            assert outermost() is None
            remember("kept")
            with pytest.raises(ZeroDivisionError):
                undone()
        assert [dedup.dedup_id for dedup in Dedup.objects.all()] == ["kept"]
        assert connection.get_autocommit()
        assert not connection.in_atomic_block

    def test_an_error_rolls_all_of_it_back_and_forgets_its_hooks(self):
        told: list[str] = []

        def fail() -> None:
            remember("x")
            transaction.on_commit(lambda: told.append("never"))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError), outermost():
            fail()
        with outermost():
            transaction.on_commit(lambda: told.append("after"))
            assert told == []
        assert told == ["after"]
        assert not Dedup.objects.exists()
        assert not lock_for(str(connection.settings_dict["NAME"]))._held

    def test_an_error_that_was_caught_inside_is_no_success(self):
        def spoil() -> None:
            remember("x")
            with suppress(IntegrityError), transaction.atomic(savepoint=False):
                remember("x")

        with pytest.raises(TransactionManagementError), outermost():
            spoil()
        assert not Dedup.objects.exists()

    def test_a_connection_that_is_closed_within_is_opened_anew(self):
        def close() -> None:
            remember("x")
            connection.close()

        with pytest.raises(TransactionManagementError), outermost():
            close()
        assert not lock_for(str(connection.settings_dict["NAME"]))._held
        with outermost():
            assert not Dedup.objects.exists()

    def test_who_has_turned_autocommit_off_has_a_transaction_already(self):
        connection.set_autocommit(False)
        try:
            assert outermost() is None
        finally:
            connection.set_autocommit(True)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        " select 1",
        "-- why\nSELECT 1",
        "/* a\nhint */ SELECT 1",
        "(SELECT 1)",
        "VALUES (1)",
        "WITH a AS (SELECT 1) SELECT 1",
    ],
)
def test_what_only_reads_waits_for_no_writer(query: str):
    assert base._READS.match(query)


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO a VALUES (1)",
        "/* SELECT */ DELETE FROM a",
        "WITH a AS (SELECT 1) DELETE FROM b",
        "-- SELECT\nUPDATE a SET b=1",
    ],
)
def test_what_writes_takes_its_turn(query: str):
    assert not base._READS.match(query)


def database() -> DatabaseWrapper:
    found: Any = connections["default"]
    assert isinstance(found, DatabaseWrapper)
    return found


@pytest.mark.django_db(transaction=True)
def test_a_transaction_that_begins_late_reads_without_the_lock_and_writes_with_it():
    kept: Any = Dedup.objects
    with database().beginning_late(), transaction.atomic():
        assert kept.count() == 0
        assert not database().holds_write_lock
        kept.create(dedup_id="a", queue_id=1, message_id=1, expires_at=1)
        assert database().holds_write_lock
        assert database().connection.in_transaction
    assert not database().holds_write_lock
    assert kept.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fails", [True, False])
def test_a_transaction_that_began_late_is_kept_or_rolled_back_as_a_whole(fails: bool):
    kept: Any = Dedup.objects
    with suppress(ZeroDivisionError), database().beginning_late(), transaction.atomic():
        kept.create(dedup_id="a", queue_id=1, message_id=1, expires_at=1)
        kept.create(dedup_id="b", queue_id=1, message_id=2, expires_at=1)
        if fails:
            raise ZeroDivisionError
    assert kept.count() == (0 if fails else 2)
    assert not database().holds_write_lock


@pytest.mark.django_db(transaction=True)
def test_an_atomic_block_in_it_begins_it_at_once():
    with database().beginning_late(), transaction.atomic(), transaction.atomic():
        assert database().holds_write_lock


@pytest.mark.django_db(transaction=True)
def test_only_the_first_transaction_begins_late():
    with database().beginning_late():
        with transaction.atomic():
            pass
        with transaction.atomic():
            assert database().holds_write_lock
