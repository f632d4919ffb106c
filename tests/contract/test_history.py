"""What is written of what happens to messages, and what is kept of those that have ended: by whatever road, and until when."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from brokerweb.queues import bulk, control, duties, engine, filters, history, kept, leasing, redaction, retirement
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Content, Failure, MessageEvent, SettledMessage
from brokerweb.storage.reading import read
from brokerweb.storage.transaction import acting
from tests.contract.store import Orders, Store
from tests.contract.test_handover import Waiting, waits

pytestmark = pytest.mark.django_db
DAY = 86_400


@pytest.fixture
def full(store: Store) -> Orders:
    return store.queue("orders", history="full", keep_settled=60, max_failures=2)


def events(store: Store, id: int) -> list[tuple[str, int]]:
    rows = MessageEvent.objects.using(store.alias).filter(message_id=id).order_by("id")
    return list(rows.values_list("event", "attempt"))


def last(store: Store, id: int) -> MessageEvent:
    return MessageEvent.objects.using(store.alias).filter(message_id=id).latest("id")


def ended(store: Store) -> dict[int, str]:
    """How what is kept has ended, by id; each with what it carried."""
    rows = SettledMessage.objects.using(store.alias).order_by("message_id")
    assert all(row.intact for row in rows)
    return dict(rows.values_list("message_id", "outcome"))


def as_ann(store: Store, verb: Any, *args: Any, **options: Any) -> Any:
    return store.do(acting, "ann", verb, *args, **options)


# What is written


def test_by_default_nothing_is_written_and_nothing_kept(store: Store, orders: Orders):
    ids = orders.publish(*range(5))
    leased = orders.lease(5)
    orders.nack(leased[0], error="bad")
    orders.ack(*leased[1:])
    assert [events(store, id) for id in ids] == [[]] * 5
    assert ended(store) == {}
    assert Content.objects.using(store.alias).count() == 1


def test_with_full_each_thing_is_an_event(store: Store, full: Orders):
    id = full.one(1, dedup_id="d")
    assert full.nack(full.take(), delay=0, error="first") == ["ok"]
    leased = full.take()
    assert full.settle("extend", leased, lease=50) == ["ok"]
    assert full.settle("release", leased) == ["ok"]
    assert full.settle("lose", full.take()) == ["ok"]
    assert store.state(id) == "dead"
    as_ann(store, control.requeue, "orders", id)
    assert full.ack(full.take()) == ["ok"]
    assert events(store, id) == [
        ("published", 0), ("leased", 1), ("nacked", 1), ("leased", 2), ("extended", 2), ("released", 2), ("leased", 3),
        ("consumer_lost", 3), ("dead", 3), ("requeued", 3), ("leased", 4), ("acked", 4),
    ]  # fmt: skip
    rows = {row.event: row for row in MessageEvent.objects.using(store.alias).order_by("id")}
    assert (rows["published"].actor, json.loads(rows["published"].detail or "")) == ("shop", {"dedup": "d"})
    assert (rows["nacked"].holder, rows["nacked"].error) == ("worker", "first")
    assert json.loads(rows["extended"].detail or "") == {"lease": 50}
    assert json.loads(rows["dead"].detail or "") == {"reason": "max_failures"}
    assert (rows["requeued"].actor, rows["leased"].holder) == ("ann", "worker")


@pytest.mark.parametrize("n", [1, 7, 8, 40])
def test_of_many_at_once_each_has_its_own_in_order(store: Store, full: Orders, n: int):
    ids = full.publish(*range(n))
    assert full.ack(*full.lease(n)) == ["ok"] * n
    assert {tuple(events(store, id)) for id in ids} == {(("published", 0), ("leased", 1), ("acked", 1))}
    assert ended(store) == dict.fromkeys(ids, "acked")


def test_what_is_handed_over_says_to_whom(store: Store, full: Orders):
    waits(store, Waiting("ws:n/c/1", 2))
    first, second, third = full.publish(1, 2, 3)
    assert events(store, first) == events(store, second) == [("published", 0), ("leased", 1)]
    assert last(store, second).holder == "ws:n/c/1"
    assert events(store, third) == [("published", 0)]


def test_at_most_once_ends_with_the_hand_out(store: Store, full: Orders):
    waits(store, Waiting("ws:n/c/1", 1, acknowledge=False))
    handed, left = full.publish(1, 2)
    store.handover = None
    store.do(leasing.lease, "orders", 1, leasing.Terms("w", acknowledge=False))
    for id, holder in ((handed, "ws:n/c/1"), (left, "w")):
        assert events(store, id) == [("published", 0), ("leased", 1), ("acked", 1)]
        row = SettledMessage.objects.using(store.alias).get(message_id=id)
        assert (row.outcome, row.holder, row.attempts, bytes(row.body)) == ("acked", holder, 1, b"1" if id == handed else b"2")


def test_what_operators_do_is_written_in_every_queue(store: Store, orders: Orders):
    orders.settle("dead", *([orders.one()] and orders.lease()), error="bad")
    dead = Failure.objects.using(store.alias).get().message_id
    as_ann(store, bulk.redrive, "orders", filters.ALL)
    as_ann(store, control.reschedule, "orders", dead, due_at=store.time.now() + 60_000_000)
    other = store.queue("other")
    as_ann(store, control.requeue, "orders", dead)
    orders.settle("dead", *orders.lease())
    as_ann(store, bulk.redrive, "orders", filters.ALL, to="other")
    as_ann(store, control.delete_message, "other", dead)
    assert [event for event, _ in events(store, dead)] == ["redriven", "rescheduled", "requeued", "moved", "deleted"]
    assert set(MessageEvent.objects.using(store.alias).values_list("actor", flat=True)) == {"ann"}
    assert other.counts() == {}


def test_an_operators_settlement_is_written_too(store: Store, orders: Orders):
    id = orders.one()
    as_ann(store, engine.settle, [Settle("release", orders.take().receipt or "")])
    as_ann(store, engine.settle, [Settle("dead", orders.take().receipt or "", error="no")])
    assert [event for event, _ in events(store, id)] == ["released", "dead"]
    assert (last(store, id).actor, last(store, id).error) == ("ann", "no")


def test_a_purge_is_written_where_everything_is(store: Store, orders: Orders, full: Orders):
    quiet, told = store.queue("quiet").one(), full.one()
    for name in ("quiet", "orders"):
        as_ann(store, bulk.purge, name, filters.for_purge(filters.ALL))
    assert events(store, quiet) == []
    assert (last(store, told).event, last(store, told).actor) == ("purged", "ann")


# What is kept


def test_every_end_is_kept_with_how_it_came(store: Store, full: Orders):
    acked = full.one(1)
    full.ack(full.take())
    late, gone, purged, original = full.one(2, ttl=1), full.one(3), full.one(4, delay=3600), full.one(5, delay=3600)
    store.pass_time(1)
    as_ann(store, control.delete_message, "orders", gone)
    copy = as_ann(store, control.replace, "orders", original, NewMessage(b"6"), publisher="ann")
    as_ann(store, bulk.purge, "orders", filters.parse({"state": "scheduled"}))
    assert ended(store) == {acked: "acked", late: "expired", gone: "deleted", purged: "purged", original: "edited"}
    rows = {row.message_id: row for row in SettledMessage.objects.using(store.alias)}
    assert [rows[id].actor for id in (acked, late, gone, purged)] == [None, None, "ann", "ann"]
    assert (rows[acked].holder, rows[acked].attempts, bytes(rows[acked].body)) == ("worker", 1, b"1")
    assert json.loads(rows[original].detail or "") == json.loads(last(store, original).detail or "") == {"copy": str(copy)}
    assert full.counts() == {"ready": 1}


def test_it_goes_when_its_time_is_over_with_its_failures(store: Store, full: Orders):
    id = full.one()
    full.nack(full.take(), delay=0, error="bad")
    full.ack(full.take())
    store.pass_time(59.9)
    assert (ended(store), len(full.failures(id))) == ({id: "acked"}, 1)
    store.pass_time(0.2)
    assert (ended(store), full.failures(id), Content.objects.using(store.alias).count()) == ({}, [], 0)


def test_a_turn_takes_no_more_than_it_may(store: Store, full: Orders):
    full.publish(*range(5))
    full.ack(*full.lease(5))
    store.time.advance(61)
    assert [store.do(kept.end_kept, 2) for _ in range(4)] == [2, 2, 1, 0]


def test_mixed_receipts_keep_what_they_settle_and_nothing_else(store: Store, full: Orders):
    ids = full.publish(*range(6))
    leased = full.lease(6)
    full.settle("release", *leased[:2])
    again = full.lease(2)
    assert full.ack(leased[0], *again, *leased[2:5], leased[2]) == ["lease_lost", "ok", "ok", "ok", "ok", "ok", "lease_lost"]
    assert ended(store) == dict.fromkeys(ids[:5], "acked")
    assert [row[1] for row in events(store, ids[0]) if row[0] == "acked"] == [2]


def test_for_several_callers_at_once_it_is_the_same(store: Store, full: Orders):
    ids = full.publish(*range(8))
    parts = [full.lease(4), full.lease(4)]
    asked = [engine.Settlement([Settle("ack", m.receipt or "") for m in part]) for part in parts]
    answers = store.do(engine.settle_each, asked)
    assert [one.status for part in answers for one in part] == ["ok"] * 8
    assert ended(store) == dict.fromkeys(ids, "acked")


def test_where_one_lease_of_many_is_lost_none_is_kept_twice(store: Store, full: Orders):
    ids = full.publish(*range(5))
    leased = full.lease(5)
    full.settle("release", leased[4])
    assert full.ack(*leased) == ["ok"] * 4 + ["lease_lost"]
    assert ended(store) == dict.fromkeys(ids[:4], "acked")


def test_a_keyed_queue_keeps_and_lets_the_next_follow(store: Store):
    keyed = store.queue("keyed", keyed=True, history="full", keep_settled=60)
    ids = keyed.publish(1, 2, 3, key="k")
    assert keyed.drain() == ids
    assert ended(store) == dict.fromkeys(ids, "acked")
    assert {tuple(events(store, id)) for id in ids} == {(("published", 0), ("leased", 1), ("acked", 1))}


def test_a_move_is_kept_where_it_left_until_it_comes_back(store: Store, full: Orders):
    other = store.queue("other", keep_settled=60)
    id = full.kill("7")
    as_ann(store, bulk.redrive, "orders", filters.ALL, to="other")
    assert ended(store) == {id: "moved"}
    assert other.settle("dead", *other.lease()) == ["ok"]
    as_ann(store, bulk.redrive, "other", filters.ALL, to="orders")
    assert dict(SettledMessage.objects.using(store.alias).values_list("queue__name", "outcome")) == {"other": "moved"}
    full.ack(full.take())
    rows = SettledMessage.objects.using(store.alias).order_by("queue__name")
    assert [(row.outcome, bytes(row.body), row.intact) for row in rows] == [("acked", b"7", True), ("moved", b"7", True)]
    store.pass_time(61)
    assert Content.objects.using(store.alias).count() == 0


def test_dead_retention_says_so(store: Store):
    brief = store.queue("brief", history="full", keep_settled=60, dead_retention=1)
    id = brief.kill()
    store.time.advance(2)
    store.do(duties.end_dead)
    assert (last(store, id).event, json.loads(last(store, id).detail or "")) == ("deleted", {"rule": "dead_retention"})
    assert ended(store) == {id: "deleted"}


def test_nothing_is_kept_or_written_where_the_disk_has_next_to_nothing_left(
    store: Store, full: Orders, monkeypatch: pytest.MonkeyPatch
):
    id = full.one()
    leased = full.take()
    monkeypatch.setattr("brokerweb.storage.disk.of", lambda: SimpleNamespace(low=True))
    assert full.ack(leased) == ["ok"]
    assert (ended(store), last(store, id).event) == ({}, "leased")


# Until when


def forget(store: Store) -> int:
    """What the duty forgets by now; how many events."""
    n = 0
    while more := store.do(history.forget):
        n += more
    return n


def walk(store: Store, step: history.Walk | None = None) -> int:
    found = read((step or history.Walk()).step)
    return store.do(history.mend, found) if found else 0


def test_events_stay_for_keep_history_once_the_message_has_gone(store: Store):
    full = store.queue("orders", history="full", keep_settled=10, keep_history=100)
    stays, id = full.publish(1, 2)
    first = full.take()
    full.ack(full.take())
    store.pass_time(109)
    assert forget(store) == 0
    store.pass_time(1)
    assert forget(store) == 3
    assert (events(store, id), len(events(store, stays))) == ([], 2 + 1)  # its lease ran out
    assert first.id == stays


def test_events_of_what_went_unwritten_go_all_the_same(store: Store):
    orders = store.queue("orders", keep_history=100)
    id, other = orders.publish(1, 2, delay=5)
    as_ann(store, control.reschedule, "orders", id, due_at=0)
    as_ann(store, control.reschedule, "orders", other, due_at=store.time.now() + 900_000_000)
    assert walk(store) == 0
    orders.ack(orders.take())
    assert (walk(store), walk(store)) == (1, 0)
    store.time.advance(99)
    assert forget(store) == 0
    store.time.advance(1)
    assert forget(store) == 1
    assert (events(store, id), len(events(store, other))) == ([], 1)


def test_what_is_kept_keeps_its_events(store: Store):
    orders = store.queue("orders", keep_settled=1000, keep_history=0)
    id = orders.one(1, delay=5)
    as_ann(store, control.reschedule, "orders", id, due_at=0)
    orders.ack(orders.take())
    assert walk(store) == 0
    store.pass_time(1001)
    assert (walk(store), forget(store), events(store, id)) == (1, 1, [])


def test_of_too_many_the_oldest_go(store: Store, full: Orders, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "KEPT", 5)
    id = full.one()
    leased = full.take()
    for _ in range(9):
        full.settle("extend", leased)
    assert len(events(store, id)) == 11
    assert walk(store) == 1
    assert events(store, id) == [("extended", 1)] * 5


def test_the_walk_goes_on_where_it_was(store: Store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(history, "WALKED", 2)
    store.queue("orders", history="full").publish(*range(5))
    store.do(control.purge, "orders", filters.for_purge(filters.ALL))
    MessageEvent.objects.using(store.alias).update(forget_at=None)
    step = history.Walk()
    assert [walk(store, step) for _ in range(4)] == [2, 2, 1, 0]


def test_a_deleted_queue_leaves_nothing(store: Store, full: Orders):
    full.publish(1, 2, 3)
    full.ack(full.take())
    full.nack(full.take(), error="bad")
    store.do(control.delete, "orders")
    while store.do(retirement.sweep_deleted):
        pass
    walk(store)
    forget(store)
    for model in (MessageEvent, SettledMessage, Content, Failure):
        assert not model._default_manager.using(store.alias).exists(), model.__name__


# Redaction


def test_redaction_reaches_what_is_kept_and_what_is_written(store: Store, full: Orders):
    other = store.queue("other")
    id = full.one("hunter2", headers='{"a":"hunter2"}')
    full.nack(full.take(), delay=0, error="hunter2")
    assert full.settle("dead", *full.lease(), error="hunter2") == ["ok"]
    as_ann(store, bulk.redrive, "orders", filters.ALL, to="other")
    assert other.settle("dead", *other.lease(), error="hunter2") == ["ok"]
    store.do(redaction.redact, "other", id, by="ann")
    _no_secret(store)
    assert ended(store) == {id: "moved"}


def test_redaction_of_what_is_kept_after_its_end(store: Store, full: Orders):
    id = full.one("hunter2")
    full.nack(full.take(), delay=0, error="hunter2")
    full.ack(full.take())
    store.do(redaction.redact, "orders", id, by="ann")
    _no_secret(store)
    row = SettledMessage.objects.using(store.alias).get()
    assert (row.intact, json.loads(row.redacted or "")["by"]) == (True, "ann")
    SettledMessage.objects.using(store.alias).all().delete()
    Content.objects.using(store.alias).all().delete()
    Failure.objects.using(store.alias).all().delete()
    MessageEvent.objects.using(store.alias).filter(event="nacked").update(error="hunter2")
    store.do(redaction.redact, "orders", id, by="ann")  # of which its history alone is left
    _no_secret(store)


def _no_secret(store: Store) -> None:
    for model in (MessageEvent, SettledMessage, Content, Failure):
        rows = repr(list(model._default_manager.using(store.alias).values()))
        assert "hunter2" not in rows, model.__name__


# Damage


def test_the_sweep_looks_at_what_is_kept(store: Store, full: Orders):
    id = full.one("1")
    full.ack(full.take())
    assert read(kept.look, 0, 1 << 20).damaged == []
    Content.objects.using(store.alias).filter(pk=id).update(body=b"2")
    assert read(kept.look, 0, 1 << 20).damaged == [id]
