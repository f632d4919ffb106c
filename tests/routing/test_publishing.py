"""Publish to a topic: copies, refusals, dedup."""

from __future__ import annotations

import pytest
from django.db import transaction as django_transaction

from brokerweb.core import events
from brokerweb.core.errors import BrokerError, Invalid, NotFound, QueueFull, TooLarge, Unroutable
from brokerweb.queues import control
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Message
from brokerweb.routing import definitions, duties, publishing, stats, topics
from brokerweb.routing.messages import TopicMessage
from brokerweb.routing.models import Topic, TopicDedup
from brokerweb.storage.calls import Call
from brokerweb.storage.committer import Committer
from brokerweb.storage.run import perform
from brokerweb.streams.models import Record
from tests.queues.bench import Time
from tests.routing.bench import bind, bodies, declare_queues, declare_stream, message, records, send, targets

pytestmark = pytest.mark.usefixtures("database")


def test_every_destination_gets_a_message_once_whatever_matches() -> None:
    declare_queues("a", "b", "c")
    bind("events", ("#", "queue:b"), ("x.*", "queue:a"), ("x.y", "queue:b"), ("z", "queue:c"))
    first, second = send("events", message(1, "x.y"), message(2, "z"))
    assert targets([first, second]) == [["queue:b", "queue:a"], ["queue:b", "queue:c"]]
    assert (bodies("a"), bodies("b"), bodies("c")) == (["1"], ["1", "2"], ["2"])
    ids = {int(copy.id or 0) for answer in (first, second) for copy in answer.routed}
    assert ids == set(Message.objects.values_list("pk", flat=True))


def test_copies_go_to_streams_with_their_place() -> None:
    declare_queues("a")
    declare_stream("log", partitions=2)
    bind("events", ("#", "stream:log"), ("#", "queue:a"))
    keyed = message(1, key="21", headers='{"h":"1"}')
    [answer] = send("events", keyed, publisher="shop")
    copy = answer.routed[0]
    assert (copy.to, copy.offset, copy.id) == ("stream:log", "0", None)
    record, stored = Record.objects.get(), Message.objects.get()
    assert (record.key, record.headers, record.publisher, record.route) == ("21", '{"h":"1"}', "shop", "events")
    assert (stored.priority, stored.publisher, stored.route) == (4, "shop", "events")


@pytest.mark.parametrize("field", [{"priority": 9}, {"delay": 5.0}, {"deliver_at": 1}, {"ttl": 9.0}])
def test_what_a_copy_in_a_stream_would_lose_is_refused(field: dict[str, float]) -> None:
    declare_queues("a")
    declare_stream("log")
    bind("events", ("#", "queue:a"), ("logged.#", "stream:log"))
    send("events", message(1, "other", **field))  # no copy of it goes to a stream
    with pytest.raises(Invalid) as refused:
        send("events", message(2, "logged"), message(3, "logged", **field))
    assert refused.value.extra["errors"][0]["pointer"] == f"/messages/1/{next(iter(field))}"
    assert (bodies("a"), records()) == (["1"], [])


def test_a_partition_which_a_copy_in_a_queue_would_lose_is_refused() -> None:
    declare_queues("a")
    declare_stream("log", partitions=2)
    bind("events", ("#", "stream:log"), ("queued.#", "queue:a"))

    def to_partition(body: int, routing_key: str) -> TopicMessage:
        return TopicMessage(NewMessage(str(body).encode()), routing_key, 1)

    [answer] = send("events", to_partition(1, "other"))  # no copy of it goes to a queue
    assert [copy.partition for copy in answer.routed] == [1]
    with pytest.raises(Invalid) as refused:
        send("events", message(2, "queued"), to_partition(3, "queued"))
    assert refused.value.extra["errors"][0]["pointer"] == "/messages/1/partition"
    assert (bodies("a"), records()) == ([], ["1"])


def test_headers_must_all_be_equal() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a", {"kind": "new", "eu": "1"}), unrouted="drop")
    answers = send(
        "events",
        message(1, headers='{"kind":"new","eu":"1","more":"x"}'),
        message(2, headers='{"kind":"new"}'),
        message(3, headers='{"kind":"new","eu":"0"}'),
        message(4),
    )
    assert targets(answers) == [["queue:a"], [], [], []]


def test_an_unrouted_message_refuses_the_whole_request() -> None:
    declare_queues("a")
    bind("events", ("x", "queue:a"))
    with pytest.raises(Unroutable) as error:
        send("events", message(1, "x"), message(2, "y"))
    assert [fault["pointer"] for fault in error.value.extra["errors"]] == ["/messages/1/routing_key"]
    assert bodies("a") == []


def test_a_topic_may_drop_and_counts_what_it_dropped(told: list[events.Outcome]) -> None:
    declare_queues("a")
    bind("events", ("x", "queue:a"), unrouted="drop")
    told.clear()
    send("events", message(1, "x"), message(2, "y"), message(3, ""))
    topic = Topic.objects.get()
    assert (topic.dropped, bodies("a")) == (2, ["1"])
    assert told[0].topic_counts == {("published", topic.pk): 3, ("unrouted", topic.pk): 2}
    bind("events", ("x", "queue:a"), unrouted="refuse")
    assert Topic.objects.get().dropped == 2


def test_a_publish_that_a_destination_refuses_is_not_counted(told: list[events.Outcome]) -> None:
    declare_queues("a")
    declare_queues("full", max_length=1)
    bind("events", ("#", "queue:a"), ("#", "queue:full"))
    send("events", message(1))
    calls = [Call(publishing.publish, ("events", [message(n)]), {}, lambda _: None) for n in (2, 3)]
    told.clear()
    Committer(lambda _: None)._try_together([[call] for call in calls])
    assert [outcome.topic_counts for outcome in told] == [{}]


def test_rates_count_what_was_published_dropped_and_refused(transactional_db: None) -> None:
    declare_queues("a")
    bind("events", ("x", "queue:a"))
    stop = stats.install()
    topic = Topic.objects.get().pk
    before = stats.totals()  # of another test's topic, on another database
    send("events", message(1, "x"), message(2, "x"))
    with pytest.raises(Unroutable):
        send("events", message(3, "y"))
    counted = {key: n - before.get(key, 0) for key, n in stats.totals().items() if key[1] == topic}
    assert counted == {("published", topic): 2, ("unrouted", topic): 1}
    perform(topics.delete, "events")
    assert not [key for key in stats.totals() if key[1] == topic]
    stop()


def test_a_wrong_routing_key_is_named() -> None:
    bind("events")
    with pytest.raises(Invalid) as error:
        send("events", message(1, "x"), message(2, "not a key"))
    assert error.value.extra["errors"][0]["pointer"] == "/messages/1/routing_key"


@pytest.mark.parametrize("order", [["full", "z"], ["a", "full"]])
def test_a_full_queue_refuses_every_copy_and_is_named(order: list[str]) -> None:
    declare_queues("a", "z")
    declare_queues("full", max_length=1)
    declare_stream("log")
    bind("events", ("#", "stream:log"), *((("#", f"queue:{name}")) for name in order))
    send("events", message(1))
    with pytest.raises(QueueFull) as error:
        send("events", message(2))
    assert error.value.extra["to"] == "queue:full"
    assert (bodies("full"), records(), Message.objects.count()) == (["1"], ["1"], 2)


def test_a_copy_that_is_too_large_names_the_message_of_the_request() -> None:
    declare_queues("a")
    declare_queues("small", max_body_bytes=4)
    bind("events", ("a", "queue:a"), ("b", "queue:small"))
    with pytest.raises(TooLarge) as error:
        send("events", message(1, "a"), message("123456", "a"), message("123456", "b"))
    assert error.value.extra["errors"][0]["pointer"] == "/messages/2/body"
    assert error.value.extra["to"] == "queue:small"
    assert bodies("a") == []


def test_one_request_makes_no_more_copies_than_a_commit_should_write(monkeypatch: pytest.MonkeyPatch) -> None:
    declare_queues("a", "b")
    bind("events", ("#", "queue:a"), ("x", "queue:b"))
    monkeypatch.setattr(publishing, "MAX_COPIES", 3)
    send("events", message(1, "x"), message(2, "y"))
    with pytest.raises(TooLarge):
        send("events", message(1, "x"), message(2, "x"))
    monkeypatch.setattr(publishing, "MAX_COPIED_BYTES", 10)
    with pytest.raises(TooLarge):
        send("events", message("123456", "x"))
    assert (bodies("a"), bodies("b")) == (["1", "2"], ["1"])


@pytest.mark.parametrize("kind", ["queue", "stream"])
def test_a_target_that_was_deleted_refuses_what_it_would_get(kind: str) -> None:
    from brokerweb.streams import control as streams

    declare_queues("a", "x")
    declare_stream("x")
    bind("events", ("a", "queue:a"), ("x", f"{kind}:x"))
    perform(control.delete if kind == "queue" else streams.delete, "x")
    with pytest.raises(NotFound) as error:
        send("events", message(1, "a"), message(2, "x"))
    assert error.value.extra["to"] == f"{kind}:x"
    send("events", message(3, "a"))
    assert bodies("a") == ["3"]


def test_a_topic_with_nothing_bound_refuses_all() -> None:
    bind("events")
    with pytest.raises(Unroutable):
        send("events", message(1))


# Dedup


def test_a_repeat_gets_the_first_copies_also_after_they_are_gone(time: Time) -> None:
    declare_queues("a", "b")
    declare_stream("log")
    bind("events", ("#", "queue:a"), ("#", "stream:log"), dedup_window=60)
    [first] = send("events", message(1, dedup_id="d"))
    Message.objects.all().delete()
    bind("events", ("#", "queue:b"))
    time.advance(59)
    [again] = send("events", message(2, dedup_id="d"))
    assert (again.routed, again.duplicate, first.duplicate) == (first.routed, True, False)
    assert Message.objects.count() == 0
    time.advance(1)
    assert targets(send("events", message(3, dedup_id="d"))) == [["queue:b"]]


def test_a_repeat_in_one_request_gets_the_first_copies() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"))
    first, other, again = send("events", message(1, dedup_id="d"), message(2), message(3, dedup_id="d"))
    assert (again.routed, again.duplicate, other.duplicate) == (first.routed, True, False)
    assert bodies("a") == ["1", "2"]


def test_a_dropped_message_is_remembered_too() -> None:
    bind("events", unrouted="drop")
    [first] = send("events", message(1, dedup_id="d"))
    [again] = send("events", message(1, dedup_id="d"))
    assert (first.routed, again.routed, again.duplicate, Topic.objects.get().dropped) == ([], [], True, 1)


def test_a_refused_publish_remembers_nothing() -> None:
    declare_queues("a", max_length=1)
    bind("events", ("#", "queue:a"))
    with pytest.raises(QueueFull):
        send("events", message(1, dedup_id="d"), message(2, dedup_id="e"))
    assert not TopicDedup.objects.exists()
    assert not send("events", message(1, dedup_id="d"))[0].duplicate


def test_a_topics_memory_is_apart_from_that_of_its_queues() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"))
    from brokerweb.queues import engine

    perform(engine.publish, "a", [NewMessage(b"1", dedup_id="d")])
    assert not send("events", message(2, dedup_id="d"))[0].duplicate
    assert bodies("a") == ["1", "2"]


def test_the_duty_forgets_in_bounded_steps(time: Time) -> None:
    bind("events", unrouted="drop", dedup_window=10)
    send("events", *(message(n, dedup_id=str(n)) for n in range(5)))
    assert perform(duties.forget, 3) == 0
    time.advance(10)
    assert [perform(duties.forget, 3) for _ in range(3)] == [3, 2, 0]
    assert not TopicDedup.objects.exists()


# Bindings that change


def test_a_change_is_seen_at_once_and_one_that_is_rolled_back_is_not() -> None:
    declare_queues("a", "b")
    bind("events", ("#", "queue:a"))
    send("events", message(1))
    with django_transaction.atomic():
        bind("events", ("#", "queue:b"))
        assert targets(send("events", message(2))) == [["queue:b"]]
        django_transaction.set_rollback(True)
    assert targets(send("events", message(3))) == [["queue:a"]]
    bind("events", ("#", "queue:b"))
    assert targets(send("events", message(4))) == [["queue:b"]]
    assert (bodies("a"), bodies("b")) == (["1", "3"], ["4"])


def test_bindings_are_read_once_per_version() -> None:
    declare_queues("a")
    bind("events", ("#", "queue:a"))
    send("events", message(1))
    [version] = Topic.objects.values_list("version", flat=True)
    table = definitions._tables[version]
    send("events", message(2))
    assert definitions._tables[version] is table
    bind("events", unrouted="drop")
    assert Topic.objects.get().version != version


def test_what_is_remembered_of_bindings_is_bounded() -> None:
    for n in range(definitions.REMEMBERED_TABLES + 5):
        bind("events", unrouted="drop", dedup_window=n)
        send("events", message(n))
    assert len(definitions._tables) <= definitions.REMEMBERED_TABLES


def test_a_refusal_keeps_the_committers_batch(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brokerweb.storage.committer.BATCH_SECONDS", 60)  # however slow the machine is
    declare_queues("a", "b")
    declare_queues("full", max_length=1)
    bind("events", ("#", "queue:a"), ("#", "queue:full"))
    send("events", message(1))
    calls = [
        Call(publishing.publish, ("events", [message(2)]), {}, lambda _: None),
        Call(publishing.publish, ("events", [message(3)]), {}, lambda _: None),
    ]
    committer = Committer(lambda _: None)
    done = committer._try_together([[call] for call in calls])
    assert done == 2  # not 0, which would be a transaction for each
    assert [type(call.error) for call in calls] == [QueueFull, QueueFull]
    assert isinstance(calls[0].error, BrokerError)
    assert bodies("a") == ["1"]
