"""The broker takes dead rows away itself, and says who keeps it from that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import connections

from brokerweb.storage.postgres import vacuum
from brokerweb.storage.postgres.vacuum import Vacuum
from brokerweb.storage.upkeep import Snapshot, figures

TABLE = "brokerweb_queues_dedup"


@pytest.fixture
def tending(on_postgres: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Vacuum]:
    monkeypatch.setattr(vacuum, "DEAD", 1000)
    tending = Vacuum()
    yield tending
    tending.close()


@pytest.fixture
def raw(on_postgres: None) -> Iterator[psycopg.Connection[Any]]:
    settings = connections["default"].get_connection_params()
    with psycopg.connect(host=settings["host"], user=settings["user"], dbname=settings["dbname"], autocommit=True) as raw:
        yield raw


def die(raw: psycopg.Connection[Any], n: int) -> None:
    """So many rows come and go."""
    raw.execute(f"INSERT INTO {TABLE} SELECT 1, 'vacuum' || g, 1, 1 FROM generate_series(1, {n}) g")
    raw.execute(f"DELETE FROM {TABLE}")
    raw.execute("SELECT pg_stat_force_next_flush()")


def runs(tending: Vacuum) -> int:
    """How many tables a look vacuums."""
    before = figures.runs
    while tending.tend() == 0:
        pass
    return figures.runs - before


def dead(raw: psycopg.Connection[Any]) -> int:
    [n] = raw.execute("SELECT n_dead_tup FROM pg_stat_user_tables WHERE relname = %s", [TABLE]).fetchone() or (0,)
    return int(n)


def test_a_table_is_vacuumed_when_enough_of_it_is_dead(tending: Vacuum, raw: psycopg.Connection[Any]):
    runs(tending)
    die(raw, 999 - dead(raw))
    assert runs(tending) == 0
    die(raw, 1000)
    assert runs(tending) == 1
    assert dead(raw) == 0
    assert runs(tending) == 0


def test_who_keeps_dead_rows_is_told_and_they_are_not_looked_for_in_vain(tending: Vacuum, raw: psycopg.Connection[Any]):
    runs(tending)
    settings = connections["default"].get_connection_params()
    with psycopg.connect(host=settings["host"], user="tests", dbname=settings["dbname"], application_name="a report") as report:
        report.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        report.execute(f"SELECT count(*) FROM {TABLE}")
        die(raw, 2000)
        assert runs(tending) == 1
        assert dead(raw) >= 2000
        assert runs(tending) == 0, "no more has died"
        assert figures.oldest is not None
        assert (figures.oldest.pid, figures.oldest.name) == (report.info.backend_pid, "a report")
        assert figures.held_back is None, "not for long"
        die(raw, 2000)
        assert runs(tending) == 1
    die(raw, 4000)
    assert runs(tending) == 1
    assert dead(raw) == 0


def test_a_transaction_that_has_been_open_for_long_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(figures, "oldest", Snapshot(61.2, 4711, "pg_dump"))
    assert figures.held_back == "pg_dump (pid 4711) has had a transaction open for 61 s"
    monkeypatch.setattr(figures, "oldest", Snapshot(59.0, 4711, "pg_dump"))
    assert figures.held_back is None
