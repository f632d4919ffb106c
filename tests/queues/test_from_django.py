"""The names that Django code works with, in the caller's transaction and by themselves."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from asgiref.sync import async_to_sync
from django.db import transaction
from django.utils import timezone

import brokerweb
from brokerweb import queues, topics
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from tests.queues.bench import Time

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def orders(time: Time) -> Queue:
    return queues.declare("orders", lease=20, max_failures=2)


def test_a_message_there_and_back(orders: Queue):
    id = queues.publish("orders", {"price": Decimal("1.5")}, key="k", headers={"source": "shop"}, priority=7, ttl=60)
    [message] = queues.receive("orders", limit=10, lease=5)
    assert (message.id, message.body, message.text) == (id, {"price": "1.5"}, '{"price":"1.5"}')
    assert (message.key, message.headers, message.priority, message.attempts) == ("k", {"source": "shop"}, 7, 1)
    assert message.lease == 5
    assert message.lease_until_at - message.published_at == timedelta(seconds=5)
    assert message.expires_at is not None
    assert message.expires_at - message.published_at == timedelta(seconds=60)
    assert queues.receive("orders") == []
    assert [settled.status for settled in queues.settle(ack=[message, message.receipt])] == ["ok", "lease_lost"]


def test_bytes_come_back_as_bytes():
    queues.publish("orders", b"\xff\x00", content_type="image/png")
    [message] = queues.receive("orders")
    assert (message.body, message.text, message.content_type) == (b"\xff\x00", None, "image/png")


def test_many_are_published_all_or_none():
    given: list[dict[str, object]] = [{"body": 1, "dedup_id": "a"}, {"body": 2}, {"body": 1, "dedup_id": "a"}]
    accepted = queues.publish_many("orders", given)
    assert [a.duplicate for a in accepted] == [False, False, True]
    assert accepted[0].id == accepted[2].id
    assert given[0] == {"body": 1, "dedup_id": "a"}, "what was given is the caller's"
    with pytest.raises(Invalid):
        queues.publish_many("orders", [{"body": 3}, {"key": "no body"}])
    with pytest.raises(Invalid):
        queues.publish_many("orders", [{"body": 3}] * 1001)
    assert queues.publish_many("orders", []) == []
    assert [m.body for m in queues.receive("orders", limit=9)] == [1, 2]


def test_every_way_of_settling():
    queues.publish_many("orders", [{"body": n} for n in range(5)])
    acked, nacked, released, dead, extended = queues.receive("orders", limit=5)
    settled = queues.settle(
        "orders",
        ack=[acked],
        nack=[{"receipt": nacked.receipt, "delay": 30, "error": "no stock"}],
        release=[released],
        dead=[{"receipt": dead.receipt, "reason": "never"}],
        extend=[{"receipt": extended.receipt, "lease": 100}],
    )
    assert [s.status for s in settled] == ["ok"] * 5
    states = {message.pk: State(message.state) for message in Message.objects.all()}
    assert states == {nacked.id: State.SCHEDULED, released.id: State.READY, dead.id: State.DEAD, extended.id: State.LEASED}
    with pytest.raises(Invalid):
        queues.settle(nack=[{"receipt": nacked.receipt, "delay": -1}])
    queues.declare("others")
    assert queues.settle("others", ack=[extended])[0].status == "lease_lost"


def test_in_the_callers_transaction_all_of_it_comes_or_goes():
    queues.publish("orders", 1)
    with transaction.atomic():
        [message] = queues.receive("orders")
        queues.settle(ack=[message])
        queues.declare("made")
        queues.publish("made", 2)
        transaction.set_rollback(True)
    assert [m.attempts for m in queues.receive("orders")] == [1]
    with pytest.raises(NotFound):
        queues.publish("made", 2)


def test_declaring_changes_what_is_named_alone():
    changed = queues.declare("orders", max_failures=None)
    assert (changed.lease, changed.max_failures) == (20, None)
    with pytest.raises(Invalid):
        queues.declare("orders", max_failurs=3)
    queues.publish("orders", 1)
    with pytest.raises(Conflict):
        queues.delete("orders", if_empty=True)
    assert queues.purge("orders") == 1
    queues.delete("orders", if_empty=True)
    with pytest.raises(NotFound):
        queues.receive("orders")


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"limit": 1001}, {"limit": "2"}, {"lease": 0}, {"lease": 43_201}])
def test_what_receive_does_not_take(wrong: dict[str, object]):
    with pytest.raises(Invalid):
        queues.receive("orders", **wrong)  # type: ignore[arg-type]  # what types refuse is refused when it runs, too


def test_from_a_coroutine():
    id = async_to_sync(queues.apublish)("orders", 1, deliver_at=timezone.now() - timedelta(days=1))
    assert [m.id for m in queues.receive("orders")] == [id]


def test_topics_bind_and_copy():
    topics.declare("news", unrouted="drop")
    topics.bind("news", "orders.#", "queue:orders")
    topics.bind("news", "orders.#", "queue:orders")
    assert len(topics.publish("news", 1, routing_key="orders.created")) == 1
    topics.unbind("news", "orders.#", "queue:orders")
    assert topics.publish("news", 2, routing_key="orders.created") == []
    with pytest.raises(NotFound):
        topics.bind("news", "#", "queue:nowhere")
    topics.delete("news")
    [message] = queues.receive("orders")
    answer = brokerweb.transact(
        settle={"orders": {"ack": [message.receipt]}}, publish=[{"to": "queue:orders", "messages": [{"body": 3}]}]
    )
    assert len(answer["publish"][0]["results"]) == 1
    assert [m.body for m in queues.receive("orders", limit=9)] == [3]
