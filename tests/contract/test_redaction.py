"""What is redacted is gone wherever it was, and everything else about it is as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from django.db import connections

from brokerweb.core.errors import NotFound, OffsetOutOfRange
from brokerweb.faces.codec import messages as wire
from brokerweb.faces.codec import records as wire_records
from brokerweb.handout import redaction as of_records
from brokerweb.identity.masks import CLEAR
from brokerweb.identity.models import AuditEntry
from brokerweb.queues import checking, control, redaction, undoing
from brokerweb.queues.models import Failure, Message
from brokerweb.queues.represent import message_object
from brokerweb.storage import reading as storage
from brokerweb.streams.models import OFFSET_BITS, Record
from brokerweb.streams.records import NewRecord
from tests.contract.store import Orders, Store, behind_its_back
from tests.contract.streams import Log
from tests.handout.bench import Share

pytestmark = pytest.mark.django_db
SECRET = "hunter2"
HELD: dict[str, Any] = {
    "key": "k", "headers": f'{{"a":"{SECRET}"}}', "content_type": "text/plain", "binary": True, "reply_to": "queue:a",
}  # fmt: skip


def nothing_of_it_is_left(alias: str) -> None:
    """In no column of any row of these tables."""
    for model in (Message, Failure, Record):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"SELECT * FROM {model._meta.db_table}")
            assert SECRET.encode() not in b"".join(v if isinstance(v, bytes) else str(v).encode() for row in cursor for v in row)


def redact(store: Store, id: int) -> None:
    store.do(redaction.redact, "orders", id, by="ann")


def test_a_ready_message_is_delivered_redacted_at_its_place(store: Store, orders: Orders):
    first, last = orders.one(SECRET, **HELD), orders.one("2")
    redact(store, first)
    nothing_of_it_is_left(store.alias)
    leased = orders.lease(2)
    assert [m.id for m in leased] == [first, last]
    [told, other] = msgspec.json.decode(wire.delivered(leased))
    assert told["redacted"] == {"by": "ann", "at": told["published_at"]}
    assert (told["body"], told["headers"], told["content_type"]) == (None, {}, "application/json")
    assert (told["key"], told["reply_to"]) == ("k", "queue:a")
    assert "redacted" not in other
    assert orders.ack(*leased) == ["ok", "ok"]


@pytest.mark.parametrize("kind", ["ack", "nack", "release", "dead", "extend"])
def test_a_leased_one_is_settled_as_before(store: Store, orders: Orders, kind: str):
    id = orders.one(SECRET, **HELD)
    leased = orders.take()
    redact(store, id)
    nothing_of_it_is_left(store.alias)
    assert store.state(id) == "leased"
    assert orders.settle(kind, leased) == ["ok"]


def test_a_dead_letter_loses_its_errors_and_can_be_put_back(store: Store, orders: Orders):
    id = orders.one(SECRET, **HELD)
    orders.nack(orders.take(), delay=0, error=f"no {SECRET}")
    orders.settle("dead", orders.take(), error=SECRET)
    redact(store, id)
    nothing_of_it_is_left(store.alias)
    shown = message_object(store.message(id), CLEAR)
    assert (shown["state"], shown["reason"], shown["last_error"], shown["failures"]) == ("dead", "rejected", None, 1)
    assert [kind for _, kind, _, error in orders.failures(id) if error is None] == ["nacked", "rejected"]
    store.do(control.requeue, "orders", id)
    assert [m.id for m in orders.lease()] == [id]


@pytest.mark.parametrize("damaged", [False, True])
def test_what_is_redacted_is_not_damaged(store: Store, orders: Orders, damaged: bool):
    id = orders.one(SECRET, **HELD)
    if damaged:
        behind_its_back(store.alias, "UPDATE brokerweb_queues_content SET body = x'00'")
    redact(store, id)
    assert storage.read(checking.look, 0, 1_000, using=store.alias).damaged == []
    assert orders.take().body == b"null"


def test_a_key_stays_in_order(store: Store):
    keyed = store.queue("keyed", keyed=True)
    ids = keyed.publish(1, 2, key="k")
    store.do(redaction.redact, "keyed", ids[0], by="ann")
    assert keyed.drain() == ids


@pytest.mark.parametrize("id", [0, 99, 2**63])
def test_what_is_not_there_is_not_found(store: Store, orders: Orders, id: int):
    with pytest.raises(NotFound):
        redact(store, id)


def test_that_it_was_redacted_twice_changes_nothing_else(store: Store, orders: Orders):
    id = orders.one(SECRET)
    redact(store, id)
    redact(store, id)
    assert orders.take().body == b"null"


# Records


def redact_record(log: Log, offset: int, number: int = 0) -> None:
    known = storage.read(of_records.look, "events", number, offset, using=log.alias)
    log.do(of_records.redact, "events", (number, offset), known, by="ann")


@pytest.mark.parametrize("target", ["queue:orders/{}", "queue:orders.b/{}", "queue:orders/1{}"])
def test_an_undo_of_a_requeue_brings_no_error_back(store: Store, orders: Orders, target: str):
    id = orders.kill()
    before = store.do(undoing.requeue, "orders", id)
    entry = AuditEntry.objects.using(store.alias).create(
        at=0, actor="me", owner="", action="message.requeue", target=target.format(id), detail={"before": before}
    )
    store.do(redaction.redact, "orders", id, by="me")
    entry.refresh_from_db()
    its_own = target == "queue:orders/{}"
    assert entry.detail["before"]["last_error"] == (None if its_own else "bad")
    if its_own:
        store.do(undoing.undo_requeue, "orders", entry.detail["before"])
        assert (store.state(id), store.message(id).last_error) == ("dead", None)


def test_a_record_keeps_its_offset_its_key_and_its_instant(log: Log):
    log.append_all(*(NewRecord(SECRET.encode(), **HELD) for _ in range(3)))
    before = log.read(0).records
    for offset in range(3):
        redact_record(log, offset)
    nothing_of_it_is_left(log.alias)
    after = log.read(0).records
    assert [(r.offset, r.key, r.appended_at, r.damaged) for r in after] == [
        (r.offset, r.key, r.appended_at, False) for r in before
    ]
    [told, *_] = msgspec.json.decode(wire_records.encode(after))
    assert (told["body"], told["redacted"]["by"]) == (None, "ann")


@pytest.mark.parametrize("offset", [0, 5, 9])
def test_a_record_that_is_not_there_is_told(log: Log, offset: int):
    log.declare(retention_records=2)
    log.append(*range(5))
    log.retain()
    with pytest.raises(NotFound if offset == 5 else OffsetOutOfRange):
        redact_record(log, offset)


def test_the_copies_of_shared_groups_are_redacted_in_the_same_commit(time: Any):
    share = Share(max_failures=1)
    share.log.append_all(*(NewRecord(SECRET.encode(), headers=HELD["headers"]) for _ in range(4)))
    dead, leased = share.lease(2)
    share.settle("dead", dead, error=SECRET)
    for offset in range(4):
        redact_record(share.log, offset)
    nothing_of_it_is_left("default")
    assert share.counts == {"leased": 1, "dead": 1}
    assert share.ack(leased) == ["ok"]
    later = share.lease(10)
    assert [(m.place, m.body, bool(m.redacted)) for m in later] == [((0, 2), b"null", True), ((0, 3), b"null", True)]


def test_a_copy_that_came_after_the_look_is_redacted_too(time: Any):
    share = Share()
    share.append(SECRET)
    known = storage.read(of_records.look, "events", 0, 0)
    [leased] = share.lease()
    share.log.do(of_records.redact, "events", (0, 0), known, by="ann")
    nothing_of_it_is_left("default")
    assert share.ack(leased) == ["ok"]


def test_a_dead_letter_whose_record_is_gone_is_redacted_all_the_same(time: Any):
    share = Share()
    share.append(SECRET, 2, 3)
    share.settle("dead", *share.lease())
    share.log.declare(retention_records=1)
    share.retain()
    redact_record(share.log, 0)
    nothing_of_it_is_left("default")
    with pytest.raises(OffsetOutOfRange):
        redact_record(share.log, 1)


def test_a_partition_that_is_not_there_is_not_found(log: Log):
    with pytest.raises(NotFound):
        redact_record(log, 0, 1)


def test_ids_of_records_are_not_taken_for_others(log: Log):
    log.declare(partitions=2)
    log.append("one", partition=0)
    log.append("two", partition=1)
    redact_record(log, 0, 1)
    assert log.bodies(0) == ["one"]
    assert log.bodies(1) == ["null"]
    assert Record.objects.using(log.alias).get(pk=log.partition(1).id << OFFSET_BITS).redacted
