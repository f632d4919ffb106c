"""Who published where: noted by commits, added up by the second, written once in an hour, forgotten after a week."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from brokerweb.cluster import sources
from brokerweb.cluster.models import Publisher
from brokerweb.cluster.sources import AGAIN, KEPT_FOR, Sources
from brokerweb.core import clock, events
from brokerweb.core.events import Outcome, Source
from brokerweb.queues import control, django, publishing
from brokerweb.queues.messages import NewMessage
from brokerweb.queues.models import Queue
from brokerweb.routing import django as routing
from brokerweb.routing import publishing as topics
from brokerweb.routing.messages import TopicMessage
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import django as streams
from brokerweb.streams import engine
from brokerweb.streams.records import NewRecord

pytestmark = pytest.mark.django_db(transaction=True)
MESSAGE = NewMessage(body=b"1")


class Ticks:
    """A clock that goes on when the test says so."""

    def __init__(self) -> None:
        self.at = 1_000 * clock.SECOND

    def __call__(self) -> int:
        return self.at


def outcome(*found: tuple[Source, int]) -> Outcome:
    told = Outcome()
    told.sources.update(found)
    return told


@pytest.fixture
def told() -> Generator[list[dict[Source, int]]]:
    """What commits have told of sources."""
    seen: list[dict[Source, int]] = []
    unlisten = events.listen(lambda outcome: seen.append(dict(outcome.sources)) if outcome.sources else None)
    yield seen
    unlisten()


def named() -> list[tuple[str, str]]:
    return list(Publisher.objects.order_by("kind", "number", "name").values_list("kind", "name"))


def declare(name: str = "orders") -> int:
    perform(control.declare, name, {})
    return int(Queue.objects.get(name=name).pk)


def test_every_way_a_message_comes_is_told(told: list[dict[Source, int]]):
    queue = declare()
    perform(publishing.publish, "orders", [MESSAGE, MESSAGE], publisher="till")
    perform(publishing.publish_each, "orders", [[MESSAGE], [MESSAGE, MESSAGE]], publisher="till")
    assert told == [{("till", None, "queue", queue): 2}, {("till", None, "queue", queue): 3}]
    told.clear()
    streams.declare("events")
    perform(engine.append, "events", [NewRecord(body=b"1")], publisher="till")
    [(publisher, route, kind, _)] = told.pop()
    assert (publisher, route, kind) == ("till", None, "stream")
    routing.declare("shop", bindings=[{"pattern": "#", "to": to} for to in ("queue:orders", "stream:events")])
    perform(topics.publish, "shop", [TopicMessage(MESSAGE, "a", None)] * 3, publisher="till")
    assert sorted((who, through, kind, n) for (who, through, kind, _), n in told[0].items() if through) == [
        ("till", "shop", "queue", 3),
        ("till", "shop", "stream", 3),
    ]
    assert [n for (_, through, kind, _), n in told[0].items() if kind == "topic"] == [3]


def test_a_publish_that_was_not_stored_is_not_told(told: list[dict[Source, int]]):
    declare()

    def undone(tx: Transaction) -> None:
        publishing.publish(tx, "orders", [MESSAGE], publisher="till")
        raise KeyError

    with pytest.raises(KeyError):
        perform(undone)
    assert told == []


def test_rates_are_of_ten_seconds_and_of_all_nodes():
    ticks = Ticks()
    found, way = Sources(ticks), ("till", None, "queue", 1)
    for _ in range(10):
        found(outcome((way, 5)))
        ticks.at += clock.SECOND
    assert found.rates() == {way: 5.0}
    assert found.tell() == [[*way, 5.0]]
    found.told("other", [[*way, 2.5], ["till", "shop", "queue", 2, 1.0]])
    assert found.rates() == {way: 7.5, ("till", "shop", "queue", 2): 1.0}
    found.told("other", None)
    ticks.at += 11 * clock.SECOND
    assert found.rates() == {}


def test_it_is_written_once_in_an_hour():
    ticks = Ticks()
    found, wall = Sources(ticks), clock.wall()
    found(outcome((("till", None, "queue", 1), 5), (("till", "shop", "queue", 2), 5), ((None, None, "topic", 3), 1)))
    pairs = found.unwritten(wall)
    assert sorted(pairs) == [("queue", 1, "till"), ("topic", 3, "")], "a copy is a binding's"
    found.written(pairs, wall)
    assert found.unwritten(wall + AGAIN - 1) == []
    assert sorted(found.unwritten(wall + AGAIN)) == sorted(pairs)


def test_no_more_are_told_apart_than_there_is_room_for(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "SOURCES", 3)
    found = Sources(Ticks())
    found(outcome(*(((f"p{n}", None, "queue", 1), 1) for n in range(5))))
    assert len(found.here()) == 3


def test_code_without_a_broker_makes_no_commit_for_the_map():
    declare()
    django.publish("orders", 1)
    django.publish_many("orders", [{"body": 2}], publisher="shop")
    assert named() == []


def test_the_latest_are_known_and_old_ones_go(monkeypatch: pytest.MonkeyPatch):
    wall = clock.wall()
    for n, days in enumerate((9, 6, 0)):
        perform(sources.store, [("queue", n, "till")])
        Publisher.objects.filter(number=n).update(seen_at=clock.to_datetime(wall - clock.seconds(86_400 * days)))
    assert [seen.number for seen in read(sources.seen, 10)] == [2, 1]
    assert [seen.name for seen in read(sources.seen_at, "queue", 1, 10)] == ["till"]
    assert read(sources.seen_at, "queue", 0, 10) == []
    assert perform(sources.forget) == 1
    monkeypatch.setattr(sources, "KEPT", 1)
    perform(sources.forget)
    assert list(Publisher.objects.values_list("number", flat=True)) == [2]
    assert KEPT_FOR == 7 * 86_400
