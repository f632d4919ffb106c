"""What a node tells others, and what it makes of what it hears."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from brokerweb.cluster.sources import sources
from brokerweb.core import events
from brokerweb.delivery import connections, consumers, elsewhere, reports
from brokerweb.delivery.consumers import Taking
from brokerweb.queues import stats
from brokerweb.queues.activity import activity
from brokerweb.queues.stats import Stats
from brokerweb.streams.progress import READ, progress
from tests.queues.bench import Time

NODE = "elsewhere-1"


@pytest.fixture(autouse=True)
def unheard() -> Iterator[None]:
    yield
    reports.note(NODE, None)


def heard(**told: object) -> dict[str, object]:
    """A report, as it comes from the database."""
    silent = {"queues": [], "streams": [], "topics": [], "groups": [], "takers": [], "asked": [], "connections": 0, "sums": {}}
    return dict(json.loads(json.dumps(silent | told)))


def taking(n: int, *, full: bool, busy_since: int | None = None) -> Taking:
    return Taking(f"ws:{NODE}/c{n}/1", "till", f"c{n}", 10, 10 if full else 0, full, None, busy_since)


def test_rates_of_another_node_are_added_until_it_is_gone(time: Time):
    reports.note(NODE, heard(queues=[[7, 1.5, 1.0, 0.5, 0.0]], groups=[[3, 2.5, 9]]))
    assert stats.rates(7) == {"published": 1.5, "delivered": 1.0, "acked": 0.5, "failed": 0.0}
    assert stats.by_id()[7]["published"] == 1.5
    assert stats.stats.here() == {}, "it is not told as this node's own"
    assert progress.rates(3) == {READ: 2.5}
    progress.note_behind({9: {events.APPENDED: 5.0}}, 1.05, time.now())
    assert progress.behind == {3: time.now()}
    reports.note(NODE, None)
    assert stats.rates(7)["published"] == 0
    progress.note_behind({9: {events.APPENDED: 5.0}}, 1.05, time.now())
    assert progress.behind == {}


def test_what_is_published_and_read_at_another_node_is_known(time: Time):
    reports.note(
        NODE,
        heard(sources=[["till", None, "queue", 7, 2.5], ["till", "shop", "queue", 8, 1]], readers=[["events", "", "bi", 1.5]]),
    )
    assert sources.rates() == {("till", None, "queue", 7): 2.5, ("till", "shop", "queue", 8): 1}
    assert sources.here() == {}, "it is not told as this node's own"
    assert connections.readers() == {("events", ""): {"bi": 1.5}}
    reports.note(NODE, None)
    assert (sources.rates(), connections.readers()) == ({}, {})
    assert {"sources", "readers"} <= reports.made().keys()


def test_who_takes_at_another_node_takes(time: Time):
    there = [taking(1, full=True, busy_since=5), taking(2, full=False)]
    asked = time.now()
    reports.note(
        NODE, heard(takers=[[7, 2, there]], asked=[[8, asked]], connections=3, queues=[[9, 0, 0, 0, 0]], sums={"acked": 4})
    )
    assert consumers.of([7, 8]) == {7: there}
    assert consumers.of() == {7: there}
    assert (connections.consumers()[7], connections.consumers_here()[7], connections.total()) == (2, 0, 3)
    assert activity.of(8).asked_at == asked
    assert elsewhere.in_use() == {7, 9}
    assert elsewhere.sums()["acked"] == 4
    reports.note(NODE, None)
    assert (consumers.of([7]), connections.consumers()[7], activity.of(8).asked_at, elsewhere.in_use()) == ({}, 0, None, set())


def test_of_very_many_takers_those_are_told_of_by_whom_a_queue_is_judged(time: Time):
    many = [taking(n, full=True, busy_since=1000 - n) for n in range(100)] + [taking(100, full=False)]
    told = reports.some(many, 3)
    assert [(each.full, each.busy_since) for each in told] == [(False, None), (True, 901), (True, 902)]
    assert reports.some(many[:3], 3) == many[:3]


def test_what_another_node_removed_is_forgotten():
    counted = Stats()
    outcome = events.Outcome()
    for queue_id in (1, 2, 3):
        outcome.event(events.PUBLISHED, queue_id)
    counted(outcome)
    counted.keep({1, 2})
    assert counted.totals().keys() == {(events.PUBLISHED, n) for n in (1, 2, 3)}, "the third may be new"
    counted.keep({1, 4})
    assert counted.totals().keys() == {(events.PUBLISHED, 1)}
    assert counted.sums()[events.PUBLISHED] == 3
