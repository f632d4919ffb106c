"""What messages carry is in rows of its own: stored whole, read with the message, and gone with it by whatever road."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from brokerweb.identity.masks import CLEAR
from brokerweb.queues import contents, control, engine, filters, leasing, retirement
from brokerweb.queues.messages import NewMessage, Settle
from brokerweb.queues.models import Content, Message
from brokerweb.queues.represent import message_object
from tests.contract.store import Orders, Store

pytestmark = pytest.mark.django_db

MIXED: list[dict[str, Any]] = [
    {},
    {"key": "k"},
    {"headers": '{"a":"b"}', "content_type": "text/plain"},
    {"binary": True},
    {"priority": 7, "ttl": 60.0},
    {"reply_to": "queue:answers", "correlation_id": "c"},
]


def carried(store: Store) -> list[int]:
    return list(Content.objects.using(store.alias).order_by("pk").values_list("pk", flat=True))


@pytest.mark.parametrize("n", [1, 7, 8, 9, 58, 120])
@pytest.mark.parametrize("alike", [{"key": "k", "priority": 2}, None])
def test_each_of_many_is_stored_as_it_was_published(store: Store, orders: Orders, n: int, alike: dict[str, Any] | None):
    new = [NewMessage(b"%d" % i, **(alike or MIXED[i % len(MIXED)])) for i in range(n)]
    ids = [accepted.id for accepted in orders.publish_all(new)]
    for id, message in zip(ids, new, strict=True):
        found = store.message(id)
        fields = ("binary", "key", "headers", "content_type", "priority", "ttl", "reply_to", "correlation_id")
        assert [getattr(found, name) for name in fields] == [getattr(message, name) for name in fields]
        assert (bytes(found.body), found.publisher, found.intact, found.position) == (message.body, "shop", True, id)


def test_what_one_removes_takes_nothing_of_those_between(store: Store, orders: Orders):
    ids = orders.publish(*range(10))
    leased = orders.lease(10)
    assert orders.ack(*(leased[i] for i in (0, 2, 4, 9))) == ["ok"] * 4
    assert orders.ack(*leased[5:8]) == ["ok"] * 3
    assert carried(store) == [ids[i] for i in (1, 3, 8)]
    store.do(contents.forget, orders.row.pk, [])
    assert carried(store) == [ids[i] for i in (1, 3, 8)]


def test_named_twice_a_message_stands_for_no_other(store: Store, orders: Orders):
    first, second, third = orders.publish(1, 2, 3)
    store.do(contents.forget, orders.row.pk, [first, first, third])
    assert carried(store) == [second]


def test_it_goes_with_its_message(store: Store, orders: Orders):
    keyed, brief = store.queue("keyed", keyed=True), store.queue("brief", dead_retention=1)
    keyed.publish(1, 2, 3, key="k")
    keyed.drain()
    orders.publish(1, 2)
    store.do(leasing.lease, "orders", 2, leasing.Terms("w", acknowledge=False))
    orders.one(ttl=1)
    store.pass_time(2)
    store.do(control.delete_message, "orders", orders.one())
    brief.kill()
    store.do(control.purge, "brief", filters.parse({"states": ["dead"]}))
    orders.publish(*range(3))
    store.do(control.delete, "orders")
    while store.do(retirement.sweep_deleted):
        pass
    assert carried(store) == []


def test_it_comes_in_the_messages_own_query(store: Store, orders: Orders):
    orders.publish(*range(3))
    with CaptureQueriesContext(connections[store.alias]) as asked:
        assert [bytes(m.body) for m in Message.objects.using(store.alias).order_by("pk")] == [b"0", b"1", b"2"]
    assert len(asked) == 1


def test_a_message_without_it_shows_as_damaged(store: Store, orders: Orders):
    id = orders.one(1)
    Content.objects.using(store.alias).filter(pk=id).delete()
    shown = message_object(store.message(id), CLEAR)
    assert (shown["damaged"], shown["publisher"], "body" in shown) == (True, None, False)


def test_what_django_deletes_takes_it_along(store: Store, orders: Orders):
    orders.one(1)
    Message.objects.using(store.alias).all().delete()
    assert carried(store) == []


def test_settled_for_several_at_once_it_goes(store: Store, orders: Orders):
    orders.publish(*range(8))
    leased = [orders.lease(4), orders.lease(4)]
    asked = [engine.Settlement([Settle("ack", m.receipt or "") for m in part]) for part in leased]
    store.do(engine.settle_each, asked)
    assert carried(store) == []
