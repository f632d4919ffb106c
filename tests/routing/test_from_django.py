"""Transactions and topics from Django code: they join the caller's own transaction."""

from __future__ import annotations

import os
from typing import Any

import pytest
from django.db import transaction as django_transaction

from brokerweb.core.errors import (
    Invalid,
    NotFound,
    Unroutable,
)
from brokerweb.queues.models import Message
from brokerweb.routing import publish, transact
from tests.queues.bench import Bench
from tests.routing.bench import bind, bodies, committed, declare_queues, group

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def orders() -> Bench:
    bench = Bench("orders")
    declare_queues("done")
    return bench


def test_a_django_transaction_takes_it_along_or_back(orders: Bench) -> None:
    group()
    orders.publish(1)
    [leased] = orders.lease()
    parts: dict[str, Any] = {
        "settle": {"orders": {"ack": [leased.receipt]}},
        "commit": [{"stream": "log", "group": "billing", "offsets": {"0": "2"}}],
        "publish": [{"to": "queue:done", "messages": [{"body": {"a": 1}, "key": "k", "headers": {"h": "1"}}, {"body": b"\xff"}]}],
    }
    with django_transaction.atomic():
        transact(**parts, dedup_id="d")
        django_transaction.set_rollback(True)
    assert (bodies("done"), committed(), orders.counts()) == ([], [0], {"leased": 1})
    answer = transact(**parts, dedup_id="d")
    assert (answer["duplicate"], len(answer["publish"][0]["results"])) == (False, 2)
    assert transact(**parts, dedup_id="d") == {**answer, "duplicate": True}
    stored = Message.objects.order_by("pk")
    assert [(bytes(m.body), m.key, m.headers, m.binary) for m in stored] == [
        (b'{"a":1}', "k", '{"h":"1"}', False),
        (b"\xff", None, None, True),
    ]
    assert (committed(), orders.counts()) == ([2], {})


def test_a_refused_transaction_leaves_the_callers_rows_alone(orders: Bench) -> None:
    orders.publish(1)
    [leased] = orders.lease()
    with django_transaction.atomic():
        orders.publish(2)
        with pytest.raises(NotFound):
            transact(settle={"orders": {"ack": [leased.receipt]}}, publish=[{"to": "queue:x", "messages": [{"body": 1}]}])
    assert orders.counts() == {"leased": 1, "ready": 1}


@pytest.mark.parametrize(
    "parts",
    [
        {"settle": {"orders": {"lose": ["1-1-1"]}}},
        {"settle": {"orders": {"nack": [{"delay": 1}]}}},
        {"settle": {"orders": {"nack": [{"receipt": "1-1-1", "delay": "soon"}]}}},
        {"settle": {"orders": {"nack": [{"receipt": "1-1-1", "delay": -1}]}}},
        {"settle": {"orders": {"nack": [{"receipt": "1-1-1", "delay": float("nan")}]}}},
        {"settle": {"orders": {"extend": [{"receipt": "1-1-1", "lease": 43_201}]}}},
        {"settle": {"orders": {"ack": [1]}}},
        {"dedup_id": "d" * 256},
        {"dedup_id": 5},
        {"commit": [{"stream": "log", "group": "g", "offsets": {"x": 1}}]},
        {"commit": [{"stream": "log", "group": "g"}]},
        {"publish": [{"to": "nowhere", "messages": [{"body": 1}]}]},
        {"publish": [{"messages": [{"body": 1}]}]},
        {"publish": [{"to": "queue:done"}]},
        {"publish": [{"to": "queue:done", "messages": [{"body": 1}, {"priority": 5}]}]},
        {"publish": [{"to": "queue:done", "messages": [{"body": 1, "colour": "red"}]}]},
        {"publish": [{"to": "queue:done", "messages": [{"body": 1, "partition": 0}]}]},
        {"publish": [{"to": "stream:log", "messages": [{"body": 1, "delay": 5}]}]},
        {"publish": [{"to": "stream:log", "messages": [{"body": 1, "partition": "0"}]}]},
    ],
)
def test_what_makes_no_sense_is_invalid(orders: Bench, parts: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        transact(**parts)


def test_a_partition_that_a_copy_would_lose_is_refused_at_its_place(orders: Bench) -> None:
    bind("events", ("#", "queue:done"))
    with pytest.raises(Invalid) as refused:
        publish("events", 1, partition=0)
    assert refused.value.extra["errors"][0]["pointer"] == "/messages/0/partition"
    with pytest.raises(Invalid) as refused:
        transact(publish=[{"to": "topic:events", "messages": [{"body": 1}, {"body": 2, "partition": 0}]}])
    assert refused.value.extra["errors"][0]["pointer"] == "/publish/0/messages/1/partition"
    assert bodies("done") == []


def test_a_long_error_from_django_is_cut_as_others_are(orders: Bench) -> None:
    orders.publish(1)
    [leased] = orders.lease()
    transact(settle={"orders": {"dead": [{"receipt": leased.receipt, "reason": "x" * 3_000}]}})
    assert Message.objects.get().last_error == "x" * 2_000


@pytest.mark.parametrize("kind", ["nack", "dead"])
def test_an_error_that_names_a_file_whose_name_is_no_text_is_kept_all_the_same(orders: Bench, kind: str) -> None:
    orders.publish(1)
    [leased] = orders.lease()
    error = f"cannot read {os.fsdecode(b'caf' + bytes([0xE9]))}"
    transact(settle={"orders": {kind: [{"receipt": leased.receipt, "error": error}]}})
    assert Message.objects.get().last_error == "cannot read caf?"


def test_publish_from_django_joins_the_callers_transaction() -> None:
    from brokerweb.routing import publish

    declare_queues("a")
    bind("events", ("orders.#", "queue:a"))
    with django_transaction.atomic():
        publish("events", {"n": 1}, routing_key="orders.new")
        django_transaction.set_rollback(True)
    [copy] = publish("events", {"n": 2}, routing_key="orders.new", key="k", delay=5, publisher="shop")
    stored = Message.objects.get()
    assert copy == {"to": "queue:a", "id": str(stored.pk)}
    assert (bodies("a"), stored.key, stored.route, stored.publisher) == (['{"n":2}'], "k", "events", "shop")
    with pytest.raises(Unroutable):
        publish("events", 1, routing_key="other")
    with pytest.raises(Invalid):
        publish("events", 1, colour="red")


def test_a_name_imported_is_the_function_whatever_was_imported_before() -> None:
    assert transact() == {"duplicate": False, "publish": []}


MALFORMED = [
    ({"publish": 5}, "/publish"),
    ({"publish": [5]}, "/publish/0"),
    ({"publish": [{"to": "queue:a", "messages": "no list"}]}, "/publish/0/messages"),
    ({"publish": [{"to": 5, "messages": []}]}, "/publish/0/to"),
    ({"publish": [{"to": "queue:a", "messages": [5]}]}, "/publish/0/messages/0"),
    ({"settle": {"a": 5}}, "/settle/a"),
    ({"settle": {"a": {"ack": 5}}}, "/settle/a/ack"),
    ({"settle": {"a": {"ack": [5]}}}, "/settle/a/ack/receipt"),
    ({"settle": {5: {}}}, "/settle"),
    ({"commit": [{"stream": 5, "group": "g", "offsets": {}}]}, "/commit/0/stream"),
    ({"commit": [{"stream": "s", "group": "g", "offsets": 5}]}, "/commit/0/offsets"),
    ({"dedup_id": 5}, "/dedup_id"),
    ({"owner": 5}, "/owner"),
]


@pytest.mark.parametrize(("given", "pointer"), MALFORMED, ids=[pointer for _, pointer in MALFORMED])
def test_what_django_code_cannot_mean_is_invalid_and_where_it_stands(given: dict[str, Any], pointer: str):
    with pytest.raises(Invalid) as refused:
        transact(**given)
    assert refused.value.extra["errors"][0]["pointer"] == pointer
