"""Which way the statements of a search go: each by the index that it is for."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from brokerweb.answers.search.scope import Q
from brokerweb.queues.fields import Q as FIELDS
from brokerweb.streams.fields import Q as STREAM_FIELDS

pytestmark = pytest.mark.django_db


def plan_of(statement: Any, *args: Any) -> str:
    rows = connection.connection.execute(
        f"EXPLAIN QUERY PLAN {statement.text['sqlite']}", args or (None,) * len(statement.params)
    )
    return "; ".join(row[3] for row in rows)


@pytest.mark.parametrize("analysed", [False, True])
def test_statements_use_the_index_they_are_for(analysed: bool):
    if analysed:
        connection.connection.execute("ANALYZE")
    for statement, wanted in {
        Q.walk: "SEARCH m USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        Q.walk_contents: "SEARCH c USING INTEGER PRIMARY KEY (rowid=?)",
        Q.listed: "message_browse (queue_id=? AND state=? AND id>? AND id<?)",
        Q.listed_contents: "message_browse (queue_id=? AND state=? AND id>? AND id<?)",
        Q.keyed: "message_key_holder (queue_id=? AND key=?",
        Q.records: "brokerweb_streams_record_1 (id>? AND id<?)",
        Q.messages: "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
        Q.appended: "brokerweb_streams_record_1 (id=?)",
        Q.newest_below: "USING INTEGER PRIMARY KEY (rowid<?)",
        Q.deduplicated: "(queue_id=? AND dedup_id=?)",
        FIELDS.find: "search_value (field_id=? AND value=? AND message_id>? AND message_id<?)",
        STREAM_FIELDS.find: "stream_search_value (field_id=? AND value=? AND record_id>? AND record_id<?)",
    }.items():
        assert wanted in plan_of(statement), statement.name


def test_nothing_is_asked_of_a_body_where_rows_are_enough():
    assert "content" not in plan_of(Q.walk) + plan_of(Q.listed)
