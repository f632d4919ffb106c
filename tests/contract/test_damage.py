"""What is stored is not what was published: that is told, and it is never handed out, whichever column it is and whoever asks."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
import pytest

from brokerweb.core import batches, events
from brokerweb.faces.codec import answers
from brokerweb.faces.codec import records as codec
from brokerweb.handout import lease as handout
from brokerweb.identity.masks import CLEAR
from brokerweb.queues import checking, leasing
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.represent import message_object
from brokerweb.queues.states import State
from brokerweb.storage.reading import read
from brokerweb.streams import checking as records
from brokerweb.streams.models import OFFSET_BITS
from brokerweb.streams.records import NewRecord
from tests.contract.store import Orders, Store, behind_its_back
from tests.contract.streams import Log
from tests.handout.bench import Share

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("quiet")]

WHOLE: dict[str, Any] = {
    "key": "k", "headers": '{"a":"b"}', "content_type": "text/plain", "reply_to": "queue:answers", "correlation_id": "c1",
}  # fmt: skip
DAMAGE = {
    "body": "x'ff00'",
    "body of another type": "CAST('1' AS TEXT)",
    "no body": "x''",
    "key": "'l'",
    "key gone": "NULL",
    "headers": '\'{"a":"c"}\'',
    "content_type": "'text/html'",
    "binary": "1",
    "reply_to": "'queue:others'",
    "correlation_id": "'c2'",
    "checksum": "checksum + 1",
    "content gone": "",
}


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)


def spoil(store: Store, id: int, what: str) -> None:
    column = "body" if what == "no body" else what.split()[0]
    table, row = ("message", "id") if column == "key" else ("content", "message_id")
    change = "DELETE FROM" if column == "content" else "UPDATE"
    to = "" if column == "content" else f'SET "{column}" = {DAMAGE[what]}'
    behind_its_back(store.alias, f"{change} brokerweb_queues_{table} {to} WHERE {row} = {id}")


def is_dead_and_told(store: Store, orders: Orders, id: int) -> None:
    message = store.message(id)
    assert (message.state, message.reason) == (State.DEAD, "damaged")
    assert "checksum" in (message.last_error or "")
    assert orders.counts()["dead"] == 1


@pytest.mark.parametrize("what", DAMAGE)
def test_a_damaged_message_is_dead_instead_of_leased(store: Store, orders: Orders, what: str):
    id = orders.one("1", **WHOLE)
    other = orders.one("2")
    spoil(store, id, what)
    leased = orders.lease(10)
    assert [m.id for m in leased] == [other]
    assert store.outcome.counts[events.DAMAGED, orders.row.pk] == 1
    is_dead_and_told(store, orders, id)
    orders.ack(*leased)
    assert orders.lease(10) == []


def test_what_is_whole_is_handed_out_whichever_columns_it_has(orders: Orders):
    ids = [orders.one("1", **WHOLE), *orders.publish("2", binary=True), *orders.publish("3", headers='{"é":"ü"}', key="ké")]
    assert [m.id for m in orders.lease(10)] == ids


@pytest.mark.parametrize("verb", ["round", "alone", "none"])
def test_no_way_of_leasing_hands_it_out(store: Store, orders: Orders, verb: str):
    id = orders.one("1")
    if verb == "alone":
        orders.settle("lose", orders.take())
    spoil(store, id, "body")
    if verb == "none":
        assert orders.lease(acknowledge=False) == []
    elif verb == "alone":
        handed = store.do(leasing.lease_alone, orders.row.pk, leasing.Terms("w"))
        assert (handed.messages, handed.more) == ([], True)
    else:
        parts, rest = store.do(leasing.lease_round, orders.row.pk, [leasing.Want(5, leasing.Terms("w"))])
        assert (parts, rest.more) == ([[]], True)
    is_dead_and_told(store, orders, id)


def test_a_damaged_head_of_a_key_frees_it(store: Store):
    keyed = store.queue("keyed", keyed=True)
    first, second = keyed.publish(1, 2, key="k")
    spoil(store, first, "body")
    assert keyed.lease(10) == []
    assert [m.id for m in keyed.lease(10)] == [second]


def test_many_damaged_ones_are_buried_in_bounded_turns(store: Store, orders: Orders):
    ids = orders.publish(*range(leasing.ASIDE_AT_ONCE + 50))
    for id in ids:
        spoil(store, id, "body")
    last = orders.one("good")
    got = [store.do(leasing.lease, "orders", 10, leasing.Terms("w")) for _ in range(2)]
    assert [(len(handed.messages), handed.more) for handed in got] == [(0, True), (1, True)]
    assert got[1].messages[0].id == last
    assert orders.counts() == {"dead": len(ids), "leased": 1}


def test_large_damaged_ones_are_buried_a_few_at_a_time(store: Store, orders: Orders, monkeypatch: pytest.MonkeyPatch):
    ids = orders.publish(*("1" * 10 for _ in range(5)))
    behind_its_back(store.alias, "UPDATE brokerweb_queues_content SET body = CAST('2222222222' AS BLOB)")
    monkeypatch.setattr(batches, "TURN_BYTES", 20)
    left = []
    while orders.counts().get("ready"):
        assert orders.lease(10) == []
        left.append(store.states(ids).count("ready"))
    assert left == [3, 1, 0]


def test_a_leased_message_that_is_damaged_may_be_settled_and_is_dead_when_it_returns(store: Store, orders: Orders):
    first, second = orders.publish(1, 2)
    leased = orders.lease(2)
    for id in (first, second):
        spoil(store, id, "body")
    assert orders.ack(leased[0]) == ["ok"]
    assert orders.settle("release", leased[1]) == ["ok"]
    assert orders.lease(10) == []
    is_dead_and_told(store, orders, second)


def test_a_redriven_one_is_dead_again(store: Store, orders: Orders):
    from brokerweb.queues import control

    id = orders.one("1")
    spoil(store, id, "body")
    orders.lease()
    store.do(control.requeue, "orders", id)
    assert orders.lease() == []
    is_dead_and_told(store, orders, id)


def test_browsing_says_so_and_shows_nothing_of_it(store: Store, orders: Orders):
    id = orders.one('"secret"', **WHOLE)
    spoil(store, id, "body")
    shown = message_object(store.message(id), CLEAR)
    assert shown["damaged"] is True
    assert shown["key"] is shown["reply_to"] is shown["correlation_id"] is None
    msgspec.convert(msgspec.json.decode(msgspec.json.encode(shown)), answers.Message)
    assert "body" not in shown
    assert "body_base64" not in shown
    assert "damaged" not in message_object(store.message(orders.one("1")), CLEAR)


# The sweep


def test_the_sweep_finds_what_nobody_takes(store: Store, orders: Orders):
    ids = orders.publish(1, 2, delay=60) + orders.publish(3, 4)
    spoil(store, ids[1], "body")
    spoil(store, ids[2], "key")
    seen = read(checking.look, 0, 1_000_000, using=store.alias)
    assert (seen.after, seen.rows, seen.damaged) == (ids[-1], 4, ids[1:3])
    assert read(checking.look, ids[-1], 1_000_000, using=store.alias).after is None
    assert store.do(checking.bury, ids) == 2
    assert store.states(ids) == ["scheduled", "dead", "dead", "ready"]
    assert store.message(ids[1]).reason == "damaged"
    assert store.do(checking.bury, ids) == 0


def test_a_turn_of_the_sweep_is_bounded_by_bytes(store: Store, orders: Orders):
    ids = orders.publish(*(f'"{"x" * 1000}"' for _ in range(5)))
    assert read(checking.look, 0, 2_000, using=store.alias).after == ids[1]


def test_the_sweep_leaves_leased_ones_to_who_holds_them(store: Store, orders: Orders):
    id = orders.one("1")
    leased = orders.take()
    spoil(store, id, "body")
    assert store.do(checking.bury, [id]) == 0
    assert orders.ack(leased) == ["ok"]


# Records


def spoil_record(log: Log, offset: int, change: str = "body = x'ff'") -> None:
    id = log.partition().id << OFFSET_BITS | offset
    behind_its_back(log.alias, f"UPDATE brokerweb_streams_record SET {change} WHERE id = {id}")


@pytest.mark.parametrize(
    "change",
    ["body = x'ff00'", "body = CAST(body AS TEXT)", "\"key\" = 'l'"],
)
def test_a_damaged_record_answers_as_such_by_its_offset(log: Log, change: str):
    log.append_all(*(NewRecord(b"1", **WHOLE) for _ in range(3)))
    spoil_record(log, 1, change)
    batch = log.read(0)
    assert [(r.offset, r.damaged) for r in batch.records] == [(0, False), (1, True), (2, False)]
    assert (batch.next, batch.records[1].body, batch.records[1].key) == (3, b"", None)
    first, told, last = msgspec.json.decode(codec.encode(batch.records))
    msgspec.convert([first, told, last], list[answers.Record])
    assert told.keys() & {"body", "body_base64"} == set()
    assert (told["offset"], told["damaged"], told["key"], first["body"], last["key"]) == ("1", True, None, 1, "k")
    assert [r.damaged for r in log.read(1, limit=1).records] == [True]
    assert [r.offset for r in log.read(2).records] == [2]


def test_the_sweep_finds_damaged_records(log: Log):
    log.append(1, 2, 3)
    spoil_record(log, 1, "headers = '{}'")
    assert [id & 0xFF for id in read(records.look, 0, 1_000_000, using=log.alias).damaged] == [1]


def test_a_shared_group_gets_the_others_and_a_dead_letter(time: Any):
    share = Share()
    share.append(1, 2, 3)
    spoil_record(share.log, 1)
    leased = share.lease(10)
    assert [m.place for m in leased] == [(0, 0), (0, 2)]
    assert share.counts == {"leased": 2, "dead": 1}
    [dead] = [m for m in share.store_messages() if m.state == State.DEAD]
    assert (dead.reason, dead.route, bytes(dead.body), dead.intact) == ("damaged", "0-1", b"", False)
    share.ack(*leased)
    assert share.committed == {"0": "3"}
    share.redrive()
    assert share.lease(10) == []
    assert share.counts == {"dead": 1}


def test_a_group_whose_records_are_all_damaged_goes_on(time: Any):
    share = Share()
    share.append(1, 2)
    for offset in (0, 1):
        spoil_record(share.log, offset)
    handed = share.do(handout.lease, share.queue.pk, 1, leasing.Terms("w"))
    assert (handed.messages, handed.more) == ([], True)
    assert share.lease(10) == []
    share.append(3)
    assert [m.place for m in share.lease(10)] == [(0, 2)]


def test_what_was_published_before_is_no_others(store: Store, orders: Orders):
    """A body that is whole, but another's, is damage too."""
    first, second = (a.id for a in orders.publish_all([NewMessage(b"1"), NewMessage(b"2")]))
    behind_its_back(
        store.alias,
        "UPDATE brokerweb_queues_content SET body = x'32', checksum ="
        f" (SELECT checksum FROM brokerweb_queues_content WHERE message_id = {second}) WHERE message_id = {first}",
    )
    assert [m.id for m in orders.lease(10)] == [second]
