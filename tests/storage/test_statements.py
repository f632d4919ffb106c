"""Named statements: files say what they take, SQLite understands every one, and the hot ones use their index."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from brokerweb.queues.definitions import Q
from brokerweb.queues.history import Q as HISTORY
from brokerweb.storage.statements import Statement, Statements

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for app in ("brokerweb", "queues", "streams") for path in sorted((ROOT / app).rglob("*.sql"))]


def test_parameters_become_positions_in_the_headings_order():
    statement = Statement("find", ("a", "b"))
    statement.add(None, "SELECT :b, :a, :a, CAST(:b AS text), x::int")
    assert statement.text["sqlite"] == "SELECT ?2, ?1, ?1, CAST(?2 AS text), x::int"
    assert statement.text["postgres"] == "SELECT $2, $1, $1, CAST($2 AS text), x::int"


@pytest.mark.parametrize("sql", ["SELECT :a", "SELECT :a, :b, :c"])
def test_a_heading_and_its_text_must_agree(sql: str):
    with pytest.raises(ValueError, match="disagree"):
        Statement("find", ("a", "b")).add(None, sql)


def test_rows_of_one_statement_share_what_they_have_alike():
    statement = Statement("insert", ("a", "b", "c", "d"))
    statement.add(None, "INSERT INTO t (a, b, c, d, e) VALUES (:a, :b, :c, :d, :a)")
    assert statement.repeated(2).endswith("VALUES (?1, ?2, ?3, ?4, ?1), (?5, ?6, ?7, ?8, ?5)")
    assert statement.repeated(2, (1,)).endswith("VALUES (?1, NULL, ?2, ?3, ?1), (?4, NULL, ?5, ?6, ?4)")
    assert statement.repeated(2, (1,), (2,)).endswith("VALUES (?2, NULL, ?1, ?3, ?2), (?4, NULL, ?1, ?5, ?4)")


def test_one_text_may_be_for_one_dialect_alone():
    statement = Statement("find", ())
    statement.add(None, "SELECT 1")
    statement.add("sqlite", "SELECT 2")
    assert statement.text == {"sqlite": "SELECT 2", "postgres": "SELECT 1"}


def test_an_unknown_statement_is_an_attribute_error_that_names_the_file():
    with pytest.raises(AttributeError, match=r"queues/queries.sql has no statement nonsense"):
        _ = Q.nonsense


def statements(path: Path) -> Statements:
    parts = path.parent.relative_to(ROOT).parts
    return Statements(".".join(parts if parts[0] == "brokerweb" else ("brokerweb", *parts)), path.name)


@pytest.mark.django_db
@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_sqlite_understands_every_statement(path: Path):
    for statement in statements(path)._all.values():
        text = statement.text.get("sqlite")
        if text is not None:
            connection.connection.execute(f"EXPLAIN {text}", (None,) * len(statement.params))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_heading_is_one(path: Path):
    """A heading with a slip would make its statement the tail of the one before."""
    for statement in statements(path)._all.values():
        for text in statement.text.values():
            assert ";" not in text, statement.name


PLANS = {
    "next_ready": "USING INDEX message_ready (queue_id=?)",
    "next_alone": "USING INDEX message_alone (queue_id=?)",
    "any_ready": "USING COVERING INDEX message_ready (queue_id=?)",
    "lease": "USING INTEGER PRIMARY KEY (rowid=?)",
    "ack": "USING INTEGER PRIMARY KEY (rowid=?)",
    "ack_keyed": "USING INTEGER PRIMARY KEY (rowid=?)",
    "held": "USING INTEGER PRIMARY KEY (rowid=?)",
    "extend": "USING INTEGER PRIMARY KEY (rowid=?)",
    "put_back": "USING INTEGER PRIMARY KEY (rowid=?)",
    "bury": "USING INTEGER PRIMARY KEY (rowid=?)",
    "remove": "USING INTEGER PRIMARY KEY (rowid=?)",
    "unblock": "USING INTEGER PRIMARY KEY (rowid=?)",
    "ack_all": "USING INTEGER PRIMARY KEY (rowid=?)",
    "take": "USING INTEGER PRIMARY KEY (rowid=?)",
    "overdue": "USING INDEX message_leased (due_at<?)",
    "due_scheduled": "USING INDEX message_scheduled (due_at<?)",
    "due_stated": "USING INDEX message_stated (deliver_at>? AND deliver_at<?)",
    "fall_due": "USING INTEGER PRIMARY KEY (rowid=?)",
    "expired": "USING INDEX message_ttl (expires_at>? AND expires_at<?)",
    "key_taken": "message_key_holder (queue_id=? AND key=?)",
    "next_of_key": "message_blocked (queue_id=? AND key=?)",
    "oldest_in_state": "USING INDEX message_browse (queue_id=? AND state=?)",
    "next_due": "message_scheduled",
    "next_overdue": "message_leased",
    "remembered": "brokerweb_queues_dedup_1 (queue_id=? AND dedup_id=?)",
    "orphaned_keys": "message_key_holder (queue_id=? AND key=?)",
    "forget_contents": "USING INTEGER PRIMARY KEY (rowid=?)",
    "forget_contents_between": "USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "forget_failures": "failure_of_message (message_id=?)",
}

OF_HISTORY = {
    "keep_all": "USING INTEGER PRIMARY KEY (rowid=?)",
    "keep_held": "USING INTEGER PRIMARY KEY (rowid=?)",
    "keep_ended": "USING INTEGER PRIMARY KEY (rowid=?)",
    "take_leased": "USING INTEGER PRIMARY KEY (rowid=?)",
    "forget_history": "event_of_message (message_id=?)",
    "forget_events": "event_of_message (message_id=?)",
    "walk": "event_of_message (message_id>?)",
    "trim_events": "event_of_message (message_id=?",
    "known": "event_of_message (message_id=?)",
    "outdated": "USING INDEX settled_until (expires_at<?)",
    "kept_of": "(queue_id=?)",
    "kept_contents": "(queue_id=? AND message_id=?)",
    "kept_copies": "settled_moved (message_id=?)",
    "drop_kept": "USING INTEGER PRIMARY KEY (rowid=?)",
    "relatives": "content_family (family=?)",
}


@pytest.mark.django_db
@pytest.mark.parametrize("statistics", ["never analysed", "analysed while empty", "analysed with a backlog"])
def test_hot_statements_use_their_index_whatever_the_statistics_say(statistics: str):
    raw = connection.connection
    if statistics != "never analysed":
        raw.execute("ANALYZE")
    if statistics == "analysed with a backlog":
        raw.execute(
            "DELETE FROM sqlite_stat1 "
            "WHERE tbl IN ('brokerweb_queues_message', 'brokerweb_queues_failure', 'brokerweb_queues_dedup')"
        )
        rows = [("brokerweb_queues_message", name, stat) for name, stat in BACKLOG.items()]
        raw.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)
        raw.execute("ANALYZE sqlite_schema")
    plans = [(getattr(Q, name), wanted) for name, wanted in PLANS.items()]
    plans += [(getattr(HISTORY, name), wanted) for name, wanted in OF_HISTORY.items()]
    for statement, wanted in plans:
        plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement.text['sqlite']}", (None,) * len(statement.params))]
        assert any(wanted in step for step in plan), f"{statement.name}: {plan}"
        assert not [step for step in plan if "TEMP B-TREE" in step], f"{statement.name}: {plan}"


BACKLOG = {
    "message_ready": "1000000 1000000 100000 1",
    "message_alone": "10 10 10 1",
    "message_scheduled": "1000000 1",
    "message_stated": "1000000 1",
    "message_leased": "10 1 1",
    "message_blocked": "1000000 1000000 50 1",
    "message_browse": "3000000 3000000 1000000 1",
    "message_ttl": "1000000 1",
    "message_key_holder": "20000 20000 1",
    "message_key": "3000000 3000000 1 1",
}
