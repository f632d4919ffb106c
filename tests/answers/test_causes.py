"""Causes against a naive count, over random deaths, redrives and ends; and those of before there were fingerprints."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.answers import causes
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.identity.principal import broker_itself
from brokerweb.jobs.destinations import within
from brokerweb.queues import control, duties, fingerprints
from brokerweb.queues.filters import ALL
from brokerweb.queues.models import Message
from brokerweb.queues.states import REJECTED, State
from brokerweb.storage.run import perform
from tests.answers.examples import examples, undone
from tests.queues.bench import Bench, Time

ERRORS = ["HTTP 429", "HTTP 503", "no answer", "Traceback (most recent call last):\n  File 'x'\nKeyError: 'a'", ""]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["kill", "kill", "kill", "redrive", "requeue", "purge", "wait"]),
        st.integers(0, 2),  # of which queue
        st.integers(0, len(ERRORS) - 1),
        st.integers(0, 30),  # hours
    ),
    min_size=5,
    max_size=40,
)


def naive(names: list[str], now: int, since: int) -> dict[str, tuple[Any, ...]]:
    """By fingerprint: count, redriven, first, last, by queue, by hour, from the rows themselves."""
    found: dict[str, list[Message]] = {}
    for message in Message.objects.filter(state=State.DEAD, queue__name__in=names).select_related("queue"):
        died = clock.from_wall(clock.from_datetime(message.due_at))
        if died >= since:
            found.setdefault(fingerprints.of(message.reason or "", message.last_error), []).append(message)
    told = {}
    for fingerprint, dead in found.items():
        died_at = [clock.from_datetime(m.due_at) for m in dead]
        hours = Counter((clock.to_wall(now) - at) // (3600 * clock.SECOND) for at in died_at)
        told[fingerprint] = (
            len(dead), round(sum(m.redrives > 0 for m in dead) / len(dead), 4), clock.rfc3339(min(died_at)),
            clock.rfc3339(max(died_at)), {m.queue.name for m in dead}, [hours[23 - place] for place in range(24)],
        )  # fmt: skip
    return told


def test_causes_are_what_a_naive_count_finds(database: str) -> None:
    @examples(25)
    @given(steps=STEPS, since_hours=st.none() | st.integers(0, 40))
    def check(steps: list[tuple[str, int, int, int]], since_hours: int | None) -> None:
        time = Time()
        clock.install(time)
        with undone():
            compare(time, steps, since_hours)


def compare(time: Time, steps: list[tuple[str, int, int, int]], since_hours: int | None) -> None:
    benches = [Bench(f"q{n}", max_failures=None) for n in range(3)]
    for what, queue, error, hours in steps:
        bench = benches[queue]
        if what == "kill":
            bench.publish(error)
            bench.settle("dead", bench.lease(), error=ERRORS[error] or None)
        elif what == "redrive":
            perform(control.redrive, bench.name, ALL, limit=2)
        elif what == "requeue" and (dead := Message.objects.filter(queue__name=bench.name, state=State.DEAD).first()):
            perform(control.requeue, bench.name, dead.pk)
        elif what == "purge":
            perform(control.purge, bench.name, ALL, limit=1)
        else:
            time.advance(hours * 3600 + 1)
    since = None if since_hours is None else time.now() - since_hours * 3600 * clock.SECOND
    for names in (["q0", "q1", "q2"], ["q1"]):
        found = causes.groups(broker_itself(), within([f"queue:{name}" for name in names]), since)
        told = {
            item["fingerprint"]: (
                item["count"], item["again"], item["first_at"], item["last_at"], set(item["queues"]), item["hours"],
            )
            for item in found.items
        }  # fmt: skip
        assert told == naive(names, time.now(), -1 if since is None else since)
        assert [item["count"] for item in found.items] == sorted((item["count"] for item in found.items), reverse=True)
        assert all(item["sample"]["fingerprint"] == item["fingerprint"] for item in found.items)


def test_pages_go_on_though_counts_change(time: Time, database: str) -> None:
    bench = Bench()
    for n in range(5):
        for _ in range(n + 1):
            bench.publish(n)
            bench.settle("dead", bench.lease(), error="abcde"[n] + " broke")
    first = causes.groups(broker_itself(), limit=2)
    assert [item["count"] for item in first.items] == [5, 4]
    rest = causes.groups(broker_itself(), limit=2, after=first.next)
    last = causes.groups(broker_itself(), limit=2, after=rest.next)
    assert ([item["count"] for item in rest.items + last.items], last.next) == ([3, 2, 1], None)
    for cursor in ("x", rest.next):
        with pytest.raises(Invalid):
            causes.groups(broker_itself(), within(["queue:orders"]), limit=2, after=cursor)


def test_large_samples_make_a_page_short(time: Time, database: str) -> None:
    bench = Bench()
    for error in ("one broke", "two broke", "three broke"):
        bench.publish('"' + "x" * 300_000 + '"')
        bench.settle("dead", bench.lease(), error=error)
    pages, after = [], None
    while True:
        page = causes.groups(broker_itself(), after=after)
        pages.append(len(page.items))
        after = page.next
        if after is None:
            break
    assert (sum(pages), pages[0]) == (3, 1)


def test_what_died_before_there_were_fingerprints_gets_its_own(time: Time, database: str) -> None:
    bench = Bench()
    ids = bench.kill(1, 2, 3)
    Message.objects.filter(pk__in=ids[:2]).update(fingerprint=None)
    assert {item["fingerprint"]: item["count"] for item in causes.groups(broker_itself()).items} == {
        None: 2, fingerprints.of(REJECTED, "bad"): 1,
    }  # fmt: skip
    assert [perform(duties.name_causes, 1) for _ in range(3)] == [1, 1, 0]
    [item] = causes.groups(broker_itself()).items
    assert item["count"] == 3


def test_a_hundred_thousand_are_counted_from_the_index_alone(db: None) -> None:
    from django.db import connection

    from brokerweb.queues.selection import Q

    for statement, args in ((Q.causes, ("[1]", 0)), (Q.cause_hours, ("[1]", 0, 0))):
        plan = connection.connection.execute("EXPLAIN QUERY PLAN " + statement.text["sqlite"], args).fetchall()
        assert "COVERING INDEX message_cause" in " ".join(row[3] for row in plan)
