"""What verdicts read goes by indexes, whatever the statistics say: none of it goes over all messages there are."""

from __future__ import annotations

import pytest
from django.db import connection

from brokerweb.answers.verdicts.reading import Q
from tests.storage.test_statements import BACKLOG

PLANS = {
    "oldest_of": [
        "USING COVERING INDEX message_ready (queue_id=?)",
        "USING COVERING INDEX message_ready (queue_id=? AND priority<?)",
        "USING INTEGER PRIMARY KEY (rowid=?)",
    ],
    "heads": ["message_key_holder (queue_id=?)", "USING INTEGER PRIMARY KEY (rowid=?)", "message_blocked (queue_id=? AND key=?)"],
    "ahead": ["message_ready (queue_id=? AND priority>?)", "message_ready (queue_id=? AND priority=? AND position<?)"],
    "ahead_from": ["message_ready (queue_id=? AND priority=? AND position>? AND position<?)"],
    "head_of_key": ["message_key_holder (queue_id=? AND key=?)"],
    "ahead_in_key": ["message_blocked (queue_id=? AND key=? AND position<?)"],
    "failing": ["message_browse (queue_id=? AND state=?)", "USING INTEGER PRIMARY KEY (rowid=?)"],
}


@pytest.mark.django_db
@pytest.mark.parametrize("statistics", ["never analysed", "analysed while empty", "analysed with a backlog"])
def test_verdicts_read_by_indexes(statistics: str):
    raw = connection.connection
    if statistics != "never analysed":
        raw.execute("ANALYZE")
    if statistics == "analysed with a backlog":
        raw.execute("DELETE FROM sqlite_stat1 WHERE tbl = 'brokerweb_queues_message'")
        rows = [("brokerweb_queues_message", name, stat) for name, stat in BACKLOG.items()]
        raw.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", rows)
        raw.execute("ANALYZE sqlite_schema")
    for name, wanted in PLANS.items():
        statement = getattr(Q, name)
        plan = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement.text['sqlite']}", (None,) * len(statement.params))]
        for each in wanted:
            assert any(each in step for step in plan), f"{name}: {each} not in {plan}"
        scans = [step for step in plan if step.startswith("SCAN brokerweb_queues_message")]
        assert not [step for step in scans if "USING" not in step], f"{name}: {plan}"


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["every_share", "share_of"])
def test_of_records_only_the_first_unread_is_looked_up(name: str):
    statement = getattr(Q, name)
    plan = [
        row[3]
        for row in connection.connection.execute(
            f"EXPLAIN QUERY PLAN {statement.text['sqlite']}", (None,) * len(statement.params)
        )
    ]
    assert any("(id>? AND id<?)" in step for step in plan), plan
