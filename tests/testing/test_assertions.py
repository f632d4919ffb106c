"""What tests of users ask: what was published, and what was not."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any
from unittest import mock

import pytest
from django.db import transaction
from django.utils import timezone

from brokerweb import queues, streams, topics
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.queues.models import Queue
from brokerweb.testing import Broker


@pytest.fixture(autouse=True)
def orders(broker: Broker) -> None:
    queues.declare("orders")


def test_what_is_published_is_found_by_its_fields(broker: Broker):
    queues.publish("orders", {"id": 1, "price": Decimal("1.5")}, key="ada", headers={"source": "shop", "trace": "t"}, priority=7)
    queues.publish("orders", {"id": 2}, delay=60, dedup_id="two", ttl=90)
    queues.publish("orders", b"\xff", reply_to="queue:orders", correlation_id="c")

    first, second, third = broker.published("orders")
    assert (first.to, first.body, first.text, first.key) == (
        "queue:orders",
        {"id": 1, "price": "1.5"},
        '{"id":1,"price":"1.5"}',
        "ada",
    )
    assert (first.state, first.delay, second.state, second.delay, second.dedup_id) == ("ready", None, "scheduled", 60, "two")
    assert (third.body, third.text, third.correlation_id) == (b"\xff", None, "c")

    assert broker.assert_published("orders") == [first, second, third]
    assert broker.assert_published("queue:orders", count=1, body={"price": Decimal("1.5"), "id": 1}) == [first]
    assert broker.assert_published("orders", body={"id": mock.ANY, "price": "1.5"}, headers={"source": "shop"}) == [first]
    assert broker.assert_published("orders", body=b"\xff", reply_to="queue:orders") == [third]
    assert broker.assert_published("orders", delay=60, count=1) == [second]
    broker.assert_not_published("orders", key="grace")
    broker.assert_published("orders", count=0, key="grace")


def test_an_instant_to_deliver_at_is_a_delay(broker: Broker):
    queues.publish("orders", 1, deliver_at=timezone.now() + timedelta(hours=1))
    [message] = broker.published("orders")
    assert message.delay == pytest.approx(3600, abs=60)


def test_what_is_rolled_back_was_not_published(broker: Broker):
    with transaction.atomic():
        queues.publish("orders", 1)
        transaction.set_rollback(True)
    broker.assert_not_published("orders")


def test_copies_of_a_topic_and_records_of_a_stream(broker: Broker):
    streams.declare("events", partitions=2)
    topics.declare("news", bindings=[{"pattern": "#", "to": "queue:orders"}, {"pattern": "orders.#", "to": "stream:events"}])
    topics.publish("news", {"id": 1}, routing_key="orders.created")
    topics.publish("news", {"id": 2}, routing_key="parcels.sent")
    queues.publish("orders", {"id": 3})
    streams.append("events", {"id": 4}, partition=1)

    assert [copy.to for copy in broker.assert_published("topic:news", count=3)] == [
        "queue:orders",
        "queue:orders",
        "stream:events",
    ]
    broker.assert_published("orders", count=1, topic="news", body={"id": 2})
    broker.assert_published("orders", count=1, topic=None)
    [record] = broker.assert_published("stream:events", body={"id": 4})
    assert (record.partition, record.topic, record.state) == (1, None, "stored")
    broker.assert_published("stream:events", count=1, topic="news")


def test_a_failure_says_what_was_published_instead(broker: Broker):
    queues.declare("mails")
    queues.publish("mails", "hello")
    queues.publish("orders", {"id": 1}, key="ada")
    queues.publish("orders", {"id": 2}, delay=60)

    with pytest.raises(AssertionError) as failed:
        broker.assert_published("orders", count=1, body={"id": 3})
    assert str(failed.value).splitlines() == [
        "Expected 1 message in queue:orders with body={'id': 3}, found 0.",
        "queue:orders has:",
        """  {"id":1}  key='ada'""",
        '  {"id":2}  scheduled  delay=60.0',
        "Elsewhere: queue:mails has 1.",
    ]
    with pytest.raises(AssertionError, match=r"Expected no message in queue:orders with key='ada', found 1\."):
        broker.assert_not_published("orders", key="ada")
    with pytest.raises(AssertionError, match=r"Expected 3 messages in queue:orders, found 2\."):
        broker.assert_published("orders", count=3)


def test_what_the_settings_declare_is_there_where_a_test_has_taken_it_away(settings: Any):
    settings.BROKERWEB = {"queues": {"late": {"max_failures": 7}}, "streams": {"events": {}}}
    broker = Broker()
    broker.assert_not_published("late")
    broker.assert_not_published("stream:events")
    assert Queue.declared.get(name="late").max_failures == 7


def test_many_or_long_ones_are_shortened(broker: Broker):
    queues.publish_many("orders", [{"body": "x" * 1000, "key": str(n)} for n in range(30)])
    with pytest.raises(AssertionError) as failed:
        broker.assert_not_published("orders")
    lines = str(failed.value).splitlines()
    assert (len(lines), lines[-1]) == (23, "  … and 10 more")
    assert max(map(len, lines)) < 300


def test_a_name_that_is_not_there_is_no_success(broker: Broker):
    for asked in (broker.assert_published, broker.assert_not_published):
        with pytest.raises(AssertionError, match=r"There is no queue ordres\. Did you mean queue:orders\?"):
            asked("ordres")
        with pytest.raises(AssertionError, match=r"There is no stream events\. There are: queue:orders"):
            asked("stream:events")
        with pytest.raises(TypeError, match="a message has no bdoy"):
            asked("orders", bdoy=1)
    with pytest.raises(NotFound):
        broker.published("ordres")
    with pytest.raises(Invalid):
        broker.published("exchange:orders")


def test_what_is_kept_after_its_end_counts(broker: Broker):
    queues.declare("orders", keep_settled=60)
    queues.publish("orders", 1)
    queues.settle(ack=queues.receive("orders"))
    [message] = broker.assert_published("orders", count=1)
    assert message.state == "settled"
