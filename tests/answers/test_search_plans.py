"""Which way the statements of a search go: each by the index that it is for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import connection

from brokerweb.answers.search import planner, scan
from brokerweb.answers.search.scope import Q
from brokerweb.queues import bulk, control, filters, fingerprints
from brokerweb.queues.fields import Q as FIELDS
from brokerweb.queues.states import REJECTED
from brokerweb.streams.fields import Q as STREAM_FIELDS
from tests.answers.searching import all_of, once, places
from tests.queues.bench import Bench

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
        Q.of_key: "COVERING INDEX message_key (queue_id=? AND key=? AND id>? AND id<?)",
        Q.kept_of_key: "COVERING INDEX settled_key (queue_id=? AND key=? AND id>? AND id<?)",
        Q.queues_of_key: "COVERING INDEX message_key (queue_id=? AND key=? AND id>? AND id<?)",
        Q.many_of_key: "COVERING INDEX message_key (queue_id=? AND key=?)",
        Q.records: "brokerweb_streams_record_1 (id>? AND id<?)",
        Q.messages: "SEARCH m USING INTEGER PRIMARY KEY (rowid=?)",
        Q.appended: "brokerweb_streams_record_1 (id=?)",
        Q.kept_of_cause: "settled_cause (queue_id=? AND fingerprint=? AND id>? AND id<?)",
        Q.newest_below: "USING INTEGER PRIMARY KEY (rowid<?)",
        Q.deduplicated: "(queue_id=? AND dedup_id=?)",
        FIELDS.find: "search_value (field_id=? AND value=? AND message_id>? AND message_id<?)",
        STREAM_FIELDS.find: "stream_search_value (field_id=? AND value=? AND record_id>? AND record_id<?)",
    }.items():
        assert wanted in plan_of(statement), statement.name


def test_nothing_is_asked_of_a_body_where_rows_are_enough():
    assert "content" not in plan_of(Q.walk) + plan_of(Q.listed)


def test_a_cause_is_found_by_its_index_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "NAMED", 3)
    one, two = Bench("one", keep_settled=3600), Bench("two")
    late, wanted = fingerprints.of(REJECTED, "Late"), list[int]()
    for bench in (one, two, one, two):
        bench.kill(1, 2, 3)
        ids = bench.publish(*range(4))
        while leased := bench.lease(10):
            bench.settle("dead", leased, error="Late")
        wanted += ids
    asked = f"fingerprint:{late}"
    found = [int(place.rpartition("/")[2]) for place in places(all_of(asked, limit=2))]
    assert found == sorted(wanted, reverse=True)
    told = once(asked)
    assert (len(told.items), told.scanned, told.of) == (16, 16, 16), "what died of something else is not looked at"
    assert len(all_of(f"-{asked} state:dead")) == len(all_of(f"fingerprint!={late}")) == 12
    one.do(bulk.redrive, filters.MessageFilter(ids=tuple(wanted)), to="two")
    kept = once(asked + " state:settled")
    assert (len(kept.items), kept.scanned, kept.of) == (8, 8, 8), "and of what is kept nothing else, either"
    assert len(all_of(asked + " state:settled", limit=1)) == 8
    assert [hit.name for hit in all_of(asked + " state:dead", limit=3)] == ["two"] * 8


@pytest.mark.parametrize("keyed", [False, True], ids=["without order by key", "keyed"])
def test_of_keys_with_many_messages_some_are_named_at_a_time(monkeypatch: pytest.MonkeyPatch, keyed: bool):
    monkeypatch.setattr(scan, "NAMED", 3)
    wanted = list[int]()
    for bench in (one := Bench("one", keyed=keyed), two := Bench("two", keyed=keyed), one, two):
        for key in "ab":
            ids = bench.publish(*range(5), key=key)
            wanted += ids if key == "a" else []
    one.lease(1)
    found = [int(place.rpartition("/")[2]) for place in places(all_of("key:a", limit=2))]
    assert found == sorted(wanted, reverse=True)
    told = once("key:a")
    assert (len(told.items), told.scanned, told.of) == (20, 20, 20), "the others are not looked at"


def test_by_key_also_what_is_dead_or_waits_or_is_kept_is_found_by_its_index():
    bench, other = Bench("one", keep_settled=3600), Bench("other")
    for key in ("a", "b", None):
        bench.publish(1, key=key)
        bench.settle("ack", bench.lease(1))
        bench.kill(2, key=key)
        bench.publish(3, key=key, delay=60)
        other.publish(4, key=key)
    told = once("key:a")
    assert [told.scanned, told.of] == [4, 4]
    assert sorted(bytes(hit.found.body) for hit in told.items) == [b"1", b"2", b"3", b"4"]
    kept = once("key:a state:settled", ["queue:one"])
    assert [bytes(hit.found.body) for hit in kept.items] == [b"1"]


def test_beside_other_conditions_a_key_is_the_way_unless_too_many_have_it():
    bench = Bench(keep_settled=3600)
    bench.publish(*range(100), key="often")
    bench.settle("ack", bench.lease(20))
    late, _ = bench.publish('"late"', 1, key="rare")
    for asked, scanned in {"key:rare late": 2, "key:often late": 102, "key:often state:settled": 20, "late": 102}.items():
        told = once(asked)
        assert (told.complete, told.scanned, told.of) == (True, scanned, scanned), asked
    assert places(once("key:rare late").items) == [f"queue:orders/{late}"]
    assert len(once("key:often state:settled").items) == 20


def test_of_queues_that_keep_nothing_nothing_kept_is_looked_for():
    one, two = Bench("one", keep_settled=3600, search=["$.a"]), Bench("two", search=["$.a"])
    for bench in (one, two):
        bench.publish(*(json.dumps({"a": n}) for n in range(10)))
    one.settle("ack", one.lease(4))
    told = once("$.a=3", ["queue:two"])
    assert (len(told.items), told.scanned, told.of) == (1, 1, 1)
    told = once("$.a=3")
    assert (len(told.items), told.scanned, told.of) == (2, 5, 5), "kept ones are looked through, and counted"
    one.do(control.declare, {"keep_settled": 0})
    assert len(once("$.a=3").items) == 2, "what it still has is found"


def test_a_few_messages_among_many_are_looked_at_in_one_turn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "FIRST_WIDTH", 4)
    monkeypatch.setattr(scan, "WIDEST", 4)
    few, many = Bench("few"), Bench("many")
    few.publish('"late"')
    many.publish(*range(50))
    few.publish('"late"')
    looked, turn = 0, scan.Scan._look

    def counting(self: scan.Scan, *args: Any) -> Any:
        nonlocal looked
        looked += 1
        return turn(self, *args)

    monkeypatch.setattr(scan.Scan, "_look", counting)
    told = once("late", ["queue:few"])
    assert (len(told.items), told.scanned, looked) == (2, 2, 1)
    monkeypatch.setattr(planner, "FEW_CONTENTS", 1)
    told = once("late", ["queue:few"])
    assert (len(told.items), told.scanned, looked) == (2, 2, 2), "and where what they carry is too much for one"
    monkeypatch.setattr(planner, "FEW", 1)
    assert (len(once("late", ["queue:few"]).items), looked > 10) == (2, True)
