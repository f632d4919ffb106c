"""How searches run: within a budget, a turn at least, and beside those who write."""

from __future__ import annotations

import asyncio
import tracemalloc
from types import SimpleNamespace
from typing import Any

import pytest

from brokerweb.answers.search import running, scan
from brokerweb.answers.search.browsing import Browsing, split
from brokerweb.answers.search.search import Search
from brokerweb.core.errors import Invalid, RateLimited
from brokerweb.identity.masks import CLEAR
from brokerweb.queues import filters
from brokerweb.storage import run
from brokerweb.storage.reading import read
from tests.answers.searching import ADMIN
from tests.postgres import REAL_COMMITS
from tests.queues.bench import Bench


@pytest.fixture
def stored(request: pytest.FixtureRequest) -> None:
    request.getfixturevalue(request.param)


def calls_of_a_turn(q: str, limit: int) -> list[Any]:
    """Call after call, each with a budget that is over after its first turn."""
    found, after = [], None
    while True:
        one = running._Run(Search(ADMIN, q, after=after), limit, 0.0)
        while read(one.step) is not None:
            pass
        found.append(read(one.outcome))
        after = found[-1].next
        if after is None:
            return found


@pytest.mark.parametrize("stored", REAL_COMMITS, indirect=True)
def test_a_search_that_runs_out_of_time_goes_on_to_the_same_whole(stored: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(scan, "FIRST_WIDTH", 8)
    monkeypatch.setattr(scan, "COMPARED", 3)
    ids = Bench().publish(*(n % 4 for n in range(50)))
    wanted = [id for n, id in enumerate(ids) if n % 4 == 1][::-1]
    for q in ("$=1", "1", "$>=1 $<2"):
        found = calls_of_a_turn(q, 5)
        assert [hit.found.pk for each in found for hit in each.items] == wanted
        assert {each.stopped for each in found[:-1]} <= {"time", "limit"}
        assert "time" in {each.stopped for each in found}
        scanned = [each.scanned for each in found]
        assert scanned == sorted(scanned)
        assert (scanned[-1], found[-1].of, found[-1].complete) == (50, 50, True)
        assert all(each.of == 50 for each in found)


@pytest.mark.parametrize("stored", REAL_COMMITS, indirect=True)
def test_threads_and_the_loop_search_alike(stored: None):
    ids = Bench().publish(1, 2, 3)
    for found in (running.search(ADMIN, "$>=2"), asyncio.run(running.asearch(ADMIN, "$>=2"))):
        assert [hit.found.pk for hit in found.items] == ids[:0:-1]  # type: ignore[union-attr]  # messages alone are looked for
        assert found.complete


@pytest.mark.django_db(transaction=True)
def test_few_run_at_once(monkeypatch: pytest.MonkeyPatch):
    for _ in range(running.AT_ONCE):
        assert running._slots.acquire(blocking=False)
    try:
        with pytest.raises(RateLimited) as refused:
            running.search(ADMIN, "")
        assert refused.value.retryable
    finally:
        for _ in range(running.AT_ONCE):
            running._slots.release()
    assert running.search(ADMIN, "").complete


def test_a_budget_has_bounds():
    for budget in (0.0, 0.09, 20.1, float("nan")):
        with pytest.raises(Invalid):
            running.search(ADMIN, "", budget=budget)


def test_a_search_rests_while_the_broker_is_busy(monkeypatch: pytest.MonkeyPatch):
    now, committer = [0.0], SimpleNamespace(calls=0)
    monkeypatch.setattr(run, "_committer", committer)
    monkeypatch.setattr(running, "time", SimpleNamespace(monotonic=lambda: now[0]))
    giving = running._Giving()

    def after(seconds: float, calls: int) -> float:
        now[0] += seconds
        committer.calls += calls
        return giving.pause(seconds)

    assert after(0.02, 0) == 0
    assert after(0.02, 1) == 0, "the duties alone"
    assert after(0.02, 20) == 0, "what a duty writes at once"
    assert after(0.02, 10) == pytest.approx(0.02 / running.SHARE - 0.02), "together they are more than that"
    assert after(0.2, 100) == running.LONGEST_PAUSE
    assert after(0.02, 0) == 0
    assert after(1.0, 90) == after(1.0, 90) == 0, "some calls for a long time"
    assert after(1.0, 110) == running.LONGEST_PAUSE


@pytest.mark.parametrize("stored", REAL_COMMITS, indirect=True)
def test_what_is_browsed_is_compared_without_holding_all_bodies(stored: None):
    bench = Bench()
    size = 256 * 1024
    ids = [bench.publish(f'"{"x" * size}"', headers='{"a":"b"}' if n % 2 else None)[0] for n in range(60)]
    rest, conditions = split({"header.a": "b"})
    tracemalloc.start()
    try:
        found = running.few(Browsing(bench.row, filters.parse(rest), conditions, CLEAR), 1000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == ids[1::2]
    assert peak < 30 * size, "of 60 that were compared"
