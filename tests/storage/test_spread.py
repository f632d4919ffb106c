"""Statements on PostgreSQL are ready for tables that are spread by queue: each says which queue it is about, or only looks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import psycopg

from brokerweb.storage.statements import Statement
from tests.storage.test_postgres_statements import STATEMENTS, database, pg

__all__ = ["database", "pg"]

HOT = ("message", "content", "failure", "messageevent", "settledmessage", "dedup", "queuecount", "searchvalue")
_TABLE = re.compile(rf"(?:FROM|JOIN|UPDATE|INTO) brokerweb_queues_(?:{'|'.join(HOT)})\b")
_NAMED = re.compile(r"\bqueue_id = (?:\$\d|ANY\b|\w+\.|CAST)|= \w\.queue_id\b|\bqueue = ")
_INSERTED = re.compile(r"INSERT INTO \w+ \([^()]*\bqueue_id\b")
# Files whose statements only read, for people who look: across queues and by id, outside of any commit.
OF_LOOKS = ("answers",)
# What goes over all queues, or is told an id alone: duties look so, what operators do seldom, and what happens at a start.
ALL_QUEUES = {
    "counts_of_all": "a list of all",
    "destinations_with_dead": "a list of all",
    "due_stated": "a duty looks",
    "due_scheduled": "a duty looks",
    "due_first": "what a duty would look at",
    "overdue": "a duty looks",
    "expired": "a duty looks",
    "next_due": "a duty looks",
    "next_overdue": "a duty looks",
    "next_expiry": "a duty looks",
    "past_memories": "a duty looks",
    "outdated": "a duty looks",
    "many_rows": "a duty looks",
    "old_results": "a duty looks",
    "sweep": "the sweep looks",
    "sweep_kept": "the sweep looks",
    "walk": "the walk over the history looks",
    "gone": "and asks of one",
    "mark": "a duty, by the event's id",
    "trim_events": "a duty: a message's events are of every queue that it was in",
    "forget_history": "a duty: as trim_events",
    "forget_events": "as trim_events, of a queue that is removed",
    "redact_events": "a redaction: as trim_events",
    "redact_failures": "a redaction",
    "kept_copies": "a redaction: of the queues that a message has left",
    "relatives": "copies in queues of all kinds",
    "newest_id": "where a long action ends",
    "weights": "of messages that are about to be moved, in whatever queue",
    "contents": "an index is built",
    "find": "a search",
    "forget_some_values": "a duty: by the field, which is one queue's",
    "held_by_sockets": "a start",
    "shift_leases": "a start",
    "newest_instant": "a start",
}


def levels(text: str) -> Iterator[str]:
    """The statement and each of its subqueries, without those within them."""
    inner = re.compile(r"\(([^()]*)\)")
    while found := inner.search(text):
        if "SELECT" in found[1] or "DELETE" in found[1]:
            yield found[1]
            text = f"{text[: found.start()]} {text[found.end() :]}"
        else:
            text = f"{text[: found.start()]}[{found[1]}]{text[found.end() :]}"
    yield text


def nameless(statement: Statement) -> list[str]:
    """Parts of a statement that say of fewer hot tables which queue they are about than they name."""
    whole = statement.text["postgres"]
    inserts = len(_INSERTED.findall(whole))
    found = []
    for level in levels(whole):
        tables, named = len(_TABLE.findall(level)), len(_NAMED.findall(level))
        into = inserts if "INSERT INTO" in level else 0
        if tables > named + into:
            found.append(level)
    return found


CASES = [(path, s) for path, s in STATEMENTS if "postgres" in s.text and not any(part in path.parts for part in OF_LOOKS)]


def test_statements_say_which_queue_they_are_about():
    assert {statement.name for _, statement in CASES if nameless(statement)} == ALL_QUEUES.keys()


def test_no_statement_locks_the_first_of_all_queues():
    """``LIMIT`` with locks is for one queue: spread tables cannot do it across them, and two who do it lock in two orders."""
    for path, statement in STATEMENTS:
        for level in levels(statement.text.get("postgres", "")):
            if "LIMIT" in level and "FOR UPDATE" in level and _TABLE.search(level):
                assert _NAMED.search(level), f"{path.name}: {statement.name}"


def test_a_statement_that_names_none_is_noticed():
    statement = Statement("s", ("id",))
    statement.add(None, "DELETE FROM brokerweb_queues_message WHERE id = :id")
    assert nameless(statement)


def test_statements_of_records_say_which_partition_they_are_about():
    records = re.compile(r"(?:FROM|JOIN|UPDATE|INTO) brokerweb_streams_record\b")
    named = re.compile(r"\bpartition_id = |\[partition_id, id\] >|\[id, partition_id,")
    for path, statement in STATEMENTS:
        for level in levels(statement.text.get("postgres", "")):
            assert not records.search(level) or named.search(level), f"{path.name}: {statement.name}"


def test_keys_of_streams_begin_with_what_they_are_spread_by(pg: psycopg.Connection[Any]):
    by = {"record": "partition_id", "latestkey": "partition_id", "streamdedup": "stream_id", "grouppartition": "group_id"}
    for table, column in by.items():
        keys = pg.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisunique AND indrelid = %s::regclass",
            [f"brokerweb_streams_{table}"],
        ).fetchall()
        assert keys
        assert all(f"({column}, " in key for (key,) in keys), keys


def test_keys_begin_with_the_queue(pg: psycopg.Connection[Any]):
    for table in HOT:
        keys = pg.execute(
            "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indisunique AND indrelid = %s::regclass",
            [f"brokerweb_queues_{table}"],
        ).fetchall()
        assert keys
        assert all("(queue_id, " in key for (key,) in keys), keys
