"""Who consumed a queue last, and when anything of it was settled: what is known, and what of it is written."""

from __future__ import annotations

import pytest

from brokerweb.core import events
from brokerweb.queues import activity, stats
from brokerweb.queues.activity import Activity, Seen
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from tests.queues.bench import Bench, Time

pytestmark = pytest.mark.django_db


@pytest.fixture
def seen(time: Time) -> Activity:
    return Activity()


def tell(seen: Activity, bench: Bench, kind: str) -> None:
    """As if a commit had told of it."""
    outcome, queue_id = events.Outcome(), bench.row.pk
    if kind == "asked":
        outcome.polled[queue_id] = "rest:token:1"
    else:
        outcome.settled.add(queue_id)
    seen(outcome)


def test_a_caller_and_a_settle_are_noted_and_written_where_that_is_new(seen: Activity, time: Time) -> None:
    bench = Bench()
    tell(seen, bench, "asked")
    time.advance(2)
    tell(seen, bench, "settled")
    at = time.now()
    assert seen.of(bench.row.pk) == Seen(at - 2_000_000, "rest:token:1", None, at - 2_000_000, at)
    changed = seen.changed()
    assert perform(activity.store, changed) == 1
    seen.stored(changed)
    assert seen.changed() == {}
    assert read(activity.load) == {bench.row.pk: Seen(at - 2_000_000, None, "a token that has gone", None, at)}
    tell(seen, bench, "settled")
    assert seen.changed() == {}, "at the same instant"
    time.advance(1)
    tell(seen, bench, "settled")
    assert list(seen.changed()) == [bench.row.pk]


def test_while_somebody_is_there_a_queue_is_being_consumed(seen: Activity, time: Time) -> None:
    seen.joined(1, "ws:node-1/c/1")
    seen.joined(1, "ws:node-1/d/1")
    time.advance(30)
    assert seen.of(1).consumed_at == time.now()
    seen.stored(seen.changed())
    assert seen.changed() == {}, "that somebody is still there is no news yet"
    time.advance(31)
    assert seen.changed()[1].consumed_at == time.now()
    seen.left(1, "ws:node-1/c/1")
    seen.left(1, "ws:node-1/d/1")
    gone = time.now()
    time.advance(10)
    assert (seen.of(1).consumed_at, seen.of(1).holder) == (gone, "ws:node-1/d/1")


def test_a_queue_that_is_no_more_is_forgotten(seen: Activity, time: Time) -> None:
    seen.joined(1, "ws:node-1/c/1")
    seen.left(1, "ws:node-1/c/1")
    outcome = events.Outcome()
    outcome.event(events.REMOVED, 1)
    seen(outcome)
    assert seen.of(1) == Seen()
    assert seen.changed() == {}


def test_only_what_a_consumer_settles_counts(time: Time, told: list[events.Outcome]) -> None:
    bench = Bench(lease=5)
    bench.publish(1, 2, 3)
    for kind, counts in (("lose", False), ("extend", False), ("nack", True), ("release", True), ("ack", True)):
        leased = bench.lease()
        told.clear()
        bench.settle(kind, leased)
        assert any(outcome.settled for outcome in told) is counts, kind
        if kind == "extend":
            bench.settle("ack", leased)


def test_it_is_known_since_when_more_comes_than_goes(seen: Activity, time: Time) -> None:
    assert activity.behind({1: {"published": 2.0, "acked": 1.0}, 2: {"published": 1.0, "acked": 1.0}}) == [1]
    seen.note_behind([1], 10)
    seen.note_behind([1, 2], 20)
    assert seen.behind == {1: 10, 2: 20}
    seen.note_behind([2], 30)
    assert seen.behind == {2: 20}


def test_the_rates_of_all_are_those_of_each(time: Time) -> None:
    counted = stats.Stats(lambda: 100_000_000)
    counted.add({("published", 1): 30, ("acked", 1): 10, ("published", 2): 5, ("purged", 3): 5})
    assert counted.by_id() == {1: counted.rates(1), 2: counted.rates(2)}
