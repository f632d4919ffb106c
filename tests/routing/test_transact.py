"""Settle, commit and publish in one commit or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from brokerweb.core.errors import (
    BrokerError,
    Conflict,
    Invalid,
    LeaseLost,
    NotFound,
    OffsetOutOfRange,
    QueueFull,
    TooLarge,
    Unroutable,
)
from brokerweb.queues.messages import Kind, Leased, Settle
from brokerweb.queues.models import Message
from brokerweb.routing import duties, publishing
from brokerweb.routing.messages import Commit, Publish, TransactRequest
from brokerweb.routing.models import Transacted
from brokerweb.routing.transacting import transact as verb
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import Committer
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import groups, membership
from brokerweb.streams.models import Record
from tests.queues.bench import Bench, Time
from tests.routing.bench import bind, bodies, committed, declare_queues, declare_stream, group, message, records

pytestmark = pytest.mark.usefixtures("database")


@pytest.fixture
def orders() -> Bench:
    bench = Bench("orders")
    declare_queues("done")
    return bench


def acks(messages: Sequence[Leased], kind: Any = "ack") -> list[Settle]:
    return [Settle(kind, m.receipt or "") for m in messages]


def out(to: str, *bodies: object, **fields: Any) -> Publish:
    return Publish(to, [message(body, **fields) for body in bodies])


def run(request: TransactRequest, owner: str = "token:1") -> dict[str, Any]:
    return perform(verb, request, owner=owner, publisher="worker").plain()


def test_all_parts_happen_and_are_answered_in_order(orders: Bench) -> None:
    group()
    declare_stream("out")
    bind("events", ("#", "queue:done"), ("x", "stream:out"))
    orders.publish(1, 2)
    leased = orders.lease(2)
    answer = run(
        TransactRequest(
            {"orders": acks(leased)},
            [Commit("log", "billing", {0: 2})],
            [out("queue:done", 3, 4), out("stream:out", 5), Publish("topic:events", [message(6, "x")])],
        )
    )
    first, second, third = Message.objects.order_by("pk").values_list("pk", flat=True)
    assert answer == {
        "duplicate": False,
        "publish": [
            {"to": "queue:done", "results": [{"id": str(first), "duplicate": False}, {"id": str(second), "duplicate": False}]},
            {"to": "stream:out", "results": [{"partition": 0, "offset": "0", "duplicate": False}]},
            {
                "to": "topic:events",
                "results": [
                    {
                        "routed": [{"to": "queue:done", "id": str(third)}, {"to": "stream:out", "partition": 0, "offset": "1"}],
                        "duplicate": False,
                    }
                ],
            },
        ],
    }
    assert (orders.counts(), committed(), bodies("done")) == ({}, [2], ["3", "4", "6"])
    assert {m.publisher for m in Message.objects.all()} == {"worker"}
    assert list(Record.objects.order_by("pk").values_list("route", flat=True))[-2:] == [None, "events"]


def test_nothing_asked_is_nothing_done() -> None:
    assert run(TransactRequest()) == {"duplicate": False, "publish": []}


def test_every_kind_of_settlement_may_be_part(orders: Bench) -> None:
    orders.publish(*range(5))
    leased = orders.lease(5)
    kinds: tuple[Kind, ...] = ("ack", "nack", "release", "dead", "extend")
    run(TransactRequest({"orders": [Settle(kind, m.receipt or "") for kind, m in zip(kinds, leased, strict=True)]}))
    assert orders.counts() == {"scheduled": 1, "ready": 1, "dead": 1, "leased": 1}


def unhappened(orders: Bench, leased: Sequence[Leased]) -> None:
    """Nothing but what the test itself did; and the leases still hold."""
    assert (bodies("done"), Transacted.objects.count()) == ([], 0)
    assert orders.settle("ack", leased) == ["ok"] * len(leased)


@pytest.mark.parametrize(
    ("spoil", "pointer"),
    [
        (lambda s: s.insert(1, Settle("ack", "1-1-1")), "/settle/orders/ack/1"),
        (lambda s: s.append(Settle("nack", "nonsense")), "/settle/orders/nack/0"),
        (lambda s: s.append(Settle("ack", s[0].receipt)), "/settle/orders/ack/2"),
    ],
    ids=["of no lease", "no receipt", "named twice"],
)
def test_a_receipt_that_is_lost_fails_everything(orders: Bench, spoil: Any, pointer: str) -> None:
    orders.publish(1, 2)
    leased = orders.lease(2)
    settles = acks(leased)
    spoil(settles)
    with pytest.raises(LeaseLost) as error:
        run(TransactRequest({"orders": settles}, (), [out("queue:done", 1)], "d"))
    assert error.value.extra["pointer"] == pointer
    unhappened(orders, leased)


def test_a_lease_that_ended_fails_everything(orders: Bench, time: Time) -> None:
    orders.publish(1)
    leased = orders.lease()
    time.advance(31)
    with pytest.raises(LeaseLost):
        run(TransactRequest({"orders": acks(leased)}, (), [out("queue:done", 1)]))
    assert bodies("done") == []


def test_a_receipt_of_another_queue_does_not_count(orders: Bench) -> None:
    orders.publish(1)
    leased = orders.lease()
    with pytest.raises(LeaseLost) as error:
        run(TransactRequest({"done": acks(leased)}))
    assert error.value.extra["pointer"] == "/settle/done/ack/0"
    unhappened(orders, leased)


@pytest.mark.parametrize(
    ("parts", "expected", "pointer"),
    [
        ({"settle": {"nowhere": []}}, NotFound, "/settle/nowhere"),
        ({"settle": {".shared-1": []}}, Invalid, "/settle/.shared-1"),
        ({"commit": [Commit("log", "nobody", {0: 1})]}, NotFound, "/commit/0"),
        ({"commit": [Commit("log", "billing", {0: 1}), Commit("log", "billing", {0: 9})]}, OffsetOutOfRange, "/commit/1"),
        ({"commit": [Commit("log", "billing", {0: 2}), Commit("log", "billing", {0: 1})]}, Conflict, "/commit/1"),
        ({"publish": [out("queue:done", 1), out("queue:nowhere", 1)]}, NotFound, "/publish/1"),
        ({"publish": [out("queue:done", 1), out("stream:nowhere", 1)]}, NotFound, "/publish/1"),
        ({"publish": [out("queue:done", 1), out("topic:events", 1)]}, Unroutable, "/publish/1"),
        ({"publish": [out("queue:done", 1), out("queue:small", 1, "12345")]}, TooLarge, "/publish/1"),
        ({"publish": [out("queue:small", 1), out("queue:small", 2)]}, QueueFull, "/publish/1"),
        ({"publish": [out("queue:small", 1), Publish("stream:log", [message(1), message("1" * 99)])]}, TooLarge, "/publish/1"),
    ],
)
def test_any_part_that_fails_fails_everything_and_is_named(
    orders: Bench, parts: dict[str, Any], expected: type[BrokerError], pointer: str
) -> None:
    group()
    declare_stream("log", max_body_bytes=10)
    declare_queues("small", max_length=1, max_body_bytes=4)
    bind("events")
    orders.publish(1)
    leased = orders.lease()
    before = records()
    parts = dict(parts)  # the same on the next database
    settle = {"orders": acks(leased), **parts.pop("settle", {})}
    with pytest.raises(expected) as error:
        run(TransactRequest(settle, dedup_id="d", **parts))
    assert error.value.extra["pointer"] == pointer
    assert (committed(), records(), bodies("small")) == ([0], before, [])
    unhappened(orders, leased)


def test_faults_inside_a_part_point_into_the_request(orders: Bench) -> None:
    declare_stream("log", max_body_bytes=2)
    with pytest.raises(TooLarge) as error:
        run(TransactRequest(publish=[out("stream:log", 1, "123")]))
    assert error.value.extra["errors"][0]["pointer"] == "/publish/0/messages/1/body"
    bind("events", ("#", "stream:log"))
    with pytest.raises(TooLarge) as error:
        run(TransactRequest(publish=[out("queue:done", 1), Publish("topic:events", [message(1), message("123")])]))
    assert error.value.extra["errors"][0]["pointer"] == "/publish/1/messages/1/body"
    perform(groups.declare_group, "log", "g", {})
    with pytest.raises(Invalid) as invalid:
        run(TransactRequest(commit=[Commit("log", "g", {9: 0})]))
    assert invalid.value.detail.startswith("/commit/0/offsets/9: "), "its words point there, too"


@pytest.mark.parametrize(
    ("request_", "pointer"),
    [
        (TransactRequest({"orders": [Settle("ack", "1-1-1")] * 501, "done": [Settle("ack", "1-1-1")] * 500}), "/settle"),
        (TransactRequest(commit=[Commit("log", "g", {0: 0})] * 101), "/commit"),
        (TransactRequest(publish=[out("queue:done", *range(501))] * 2), "/publish"),
    ],
)
def test_what_all_parts_hold_together_is_bounded(orders: Bench, request_: TransactRequest, pointer: str) -> None:
    with pytest.raises(Invalid) as error:
        run(request_)
    assert error.value.extra["errors"][0]["pointer"] == pointer


def test_copies_of_all_parts_are_counted_together(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bind("events", ("#", "queue:done"))
    monkeypatch.setattr(publishing, "MAX_COPIES", 3)
    with pytest.raises(TooLarge) as error:
        run(TransactRequest(publish=[out("topic:events", 1, 2), out("topic:events", 3, 4)]))
    assert (error.value.extra["pointer"], bodies("done")) == ("/publish/1", [])


def test_what_is_acknowledged_makes_room(orders: Bench) -> None:
    ring = Bench("ring", max_length=1)
    ring.publish(1)
    run(TransactRequest({"ring": acks(ring.lease())}, (), [out("queue:ring", 2)]))
    assert bodies("ring") == ["2"]


def test_an_acknowledged_key_goes_on_with_what_is_published(orders: Bench) -> None:
    keyed = Bench("keyed", keyed=True)
    keyed.publish(1, 2, key="k")
    run(TransactRequest({"keyed": acks(keyed.lease())}, (), [Publish("queue:keyed", [message(3, key="k")])]))
    assert keyed.counts() == {"ready": 1, "blocked": 1}


# The generation fences


def test_a_group_with_members_wants_its_generation() -> None:
    group()
    perform(membership.join, "log", "billing", "node/1/1", name="one")
    generation = read(groups.find_group, "log", "billing").generation
    with pytest.raises(Conflict):
        run(TransactRequest(commit=[Commit("log", "billing", {0: 2})]))
    with pytest.raises(Conflict):
        run(TransactRequest(commit=[Commit("log", "billing", {0: 2}, generation - 1)]))
    run(TransactRequest(commit=[Commit("log", "billing", {0: 2}, generation)]))
    assert committed() == [2]


# Dedup


def test_a_repeat_gets_the_first_answer_for_a_day_and_does_nothing(orders: Bench, time: Time) -> None:
    orders.publish(1, 2)
    request = TransactRequest({"orders": acks(orders.lease())}, (), [out("queue:done", 1)], "d")
    first = run(request)
    time.advance(86_399)
    again = run(request)
    assert again == {**first, "duplicate": True}
    assert bodies("done") == ["1"]
    time.advance(1)
    with pytest.raises(LeaseLost):
        run(request)
    assert not run(TransactRequest(dedup_id="d"))["duplicate"]


OTHERS = [
    TransactRequest(publish=[out("queue:done", 2)], dedup_id="d"),
    TransactRequest(publish=[out("queue:done", 1, 2)], dedup_id="d"),
    TransactRequest(publish=[out("queue:done", 1, key="k")], dedup_id="d"),
    TransactRequest(publish=[out("queue:orders", 1)], dedup_id="d"),
    TransactRequest({"orders": []}, publish=[out("queue:done", 1)], dedup_id="d"),
    TransactRequest(dedup_id="d"),
]


@pytest.mark.parametrize("other", OTHERS)
def test_a_used_dedup_id_with_other_contents_is_a_conflict(orders: Bench, other: TransactRequest, time: Time) -> None:
    first = run(TransactRequest(publish=[out("queue:done", 1)], dedup_id="d"))
    with pytest.raises(Conflict) as refused:
        run(other)
    assert refused.value.extra["pointer"] == "/dedup_id"
    assert bodies("done") == ["1"]
    assert run(TransactRequest(publish=[out("queue:done", 1)], dedup_id="d")) == {**first, "duplicate": True}
    time.advance(86_400)
    assert not run(other)["duplicate"]


def test_the_order_of_names_makes_no_contents(orders: Bench) -> None:
    declare_queues("a", "b")
    one = TransactRequest({"a": [], "b": []}, publish=[out("queue:done", 1, headers='{"x":"1","y":"2"}')], dedup_id="d")
    other = TransactRequest({"b": [], "a": []}, publish=[out("queue:done", 1, headers='{"y":"2","x":"1"}')], dedup_id="d")
    assert [run(request)["duplicate"] for request in (one, other)] == [False, True]


def test_every_owner_has_dedup_ids_of_its_own(orders: Bench) -> None:
    request = TransactRequest(publish=[out("queue:done", 1)], dedup_id="d")
    assert [run(request, owner)["duplicate"] for owner in ("token:1", "token:2", "token:1")] == [False, False, True]


def test_a_refused_transaction_may_be_tried_again_under_its_dedup_id(orders: Bench) -> None:
    small = Bench("small", max_length=1)
    small.publish(0)
    request = TransactRequest(publish=[out("queue:small", 1)], dedup_id="d")
    with pytest.raises(QueueFull):
        run(request)
    small.settle("ack", small.lease())
    assert not run(request)["duplicate"]


def test_the_duty_forgets_answers_in_bounded_steps(time: Time) -> None:
    for n in range(5):
        run(TransactRequest(dedup_id=str(n)))
    assert perform(duties.forget, 3) == 0
    time.advance(86_400)
    assert [perform(duties.forget, 3) for _ in range(3)] == [3, 2, 0]


# In company


def test_ended_leases_and_full_queues_keep_the_committers_batch(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerweb.storage.committer.BATCH_SECONDS", 60)  # however slow the machine is
    declare_queues("done")
    declare_queues("full", max_length=1)
    orders = Bench("orders")
    orders.publish(1)
    leased = orders.lease()
    run(TransactRequest(publish=[out("queue:full", 1)]))
    requests = [
        TransactRequest({"orders": [*acks(leased), Settle("ack", "1-999-1")]}, (), [out("queue:done", 1)]),
        TransactRequest({"orders": acks(leased)}, (), [out("queue:done", 1), out("queue:full", 2)]),
        TransactRequest({"orders": acks(leased)}, (), [out("queue:done", 3)]),
    ]
    calls = [Call(verb, (request,), {"owner": "o"}, lambda _: None) for request in requests]
    assert Committer(lambda _: None)._try_together([[call] for call in calls]) == 3
    assert [type(call.error) for call in calls] == [LeaseLost, QueueFull, type(None)]
    assert bodies("done") == ["3"]


def test_a_late_failure_undoes_its_own_parts_and_nobody_elses(transactional_db: None) -> None:
    declare_queues("done")
    orders = Bench("orders")
    orders.publish(1, 2)
    first, second = orders.lease(2)
    requests = [
        TransactRequest({"orders": acks([first])}, (), [out("queue:done", 1)]),
        TransactRequest({"orders": acks([second])}, (), [out("queue:done", 2), out("stream:nowhere", 1)]),
    ]
    calls = [Call(verb, (request,), {"owner": "o"}, lambda _: None) for request in requests]
    Committer(lambda _: None)._commit(calls)
    assert [type(call.error) for call in calls] == [type(None), NotFound]
    assert (bodies("done"), orders.counts()) == (["1"], {"leased": 1})
    assert orders.settle("ack", [second]) == ["ok"]


# Permissions


def test_it_says_which_permissions_it_needs() -> None:
    request = TransactRequest(
        {"orders": []}, [Commit("log", "g", {}), Commit("log", "h", {})], [out("topic:t"), out("queue:q"), out("queue:q")]
    )
    assert list(request.uses().items()) == [
        (("consume", "queue", "orders"), "/settle/orders"),
        (("consume", "stream", "log"), "/commit/0"),
        (("publish", "topic", "t"), "/publish/0"),
        (("publish", "queue", "q"), "/publish/1"),
    ]
    with pytest.raises(Invalid) as error:
        TransactRequest(publish=[out("queue:q"), out("nowhere")]).uses()
    assert error.value.extra["errors"][0]["pointer"] == "/publish/1/to"


# From Django
