"""A replay says beforehand what it would copy; and of a fixed range it knows how much that is."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core.errors import Invalid, NotFound, OffsetOutOfRange
from brokerweb.jobs import control, failures, replay_plan, replay_request, replaying
from brokerweb.jobs.models import Job
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import compaction
from tests.jobs.bench import Runner, append, declare_stream, in_queue, shown
from tests.queues.bench import Bench, Time

ON_BOTH = True


def plan(**asked: Any) -> replay_plan.ReplayPlan:
    given = {"from" if name == "begin" else name: value for name, value in asked.items()}
    return read(replay_plan.plan, "log", replay_request.parse({"to": "queue:orders", **given}))


def counted(**asked: Any) -> Job:
    request, total, looked = read(replay_plan.counted, "log", replay_request.parse({"to": "queue:orders", **asked}))
    return perform(replaying.create, "log", request, by="me", total=total, looked=looked)


def test_what_would_be_copied_by_partition_with_the_first_of_it(time: Time) -> None:
    Bench()
    declare_stream(partitions=2)
    append(*range(10), partition=0)
    append(*range(4), partition=1)
    found = plan(begin={"0": "3", "1": 0}, until={"0": "8"})
    assert found.parts == [(0, 3, 8, 5, True), (1, 0, 4, 4, True)]
    assert (found.records, found.exact, len(found.samples)) == (9, True, 5)
    assert [record.offset for record in found.samples] == [3, 4, 5, 6, 7]
    assert in_queue("orders") == []


def test_with_a_filter_it_is_counted_as_far_as_it_is_looked_at(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench()
    declare_stream()
    for key in ("a", "b"):
        append(*range(20), key=key)
    found = plan(filter={"key": "b"})
    assert (found.parts, found.exact) == ([(0, 0, 40, 20, True)], True)
    assert {record.key for record in found.samples} == {"b"}
    monkeypatch.setattr(replay_plan, "LOOKED_AT", 30)
    found = plan(filter={"key": "b"})
    assert (found.parts, found.exact) == ([(0, 0, 40, 40, False)], False), "at most"


def test_gaps_of_a_compacted_stream_are_not_counted_and_its_jobs_have_a_total(runner: Runner) -> None:
    Bench()
    declare_stream(compact=True)
    for n in range(30):
        append(n, key=f"k{n % 3}")
    while perform(compaction.compact, 100):
        pass
    [part] = plan(begin={"0": "28"}, until={"0": "30"}).parts
    assert (part.begin, part.until, part.exact) == (28, 30, True)
    job = counted(**{"from": {"0": "1"}})
    done = runner.until_finished(job)
    assert (job.total, done.done) == (len(in_queue("orders")), len(in_queue("orders")))
    assert job.total is not None
    assert job.total < 29


def test_a_replay_with_a_filter_has_an_exact_total_where_all_was_looked_at(runner: Runner) -> None:
    Bench()
    declare_stream(partitions=2)
    for n in range(30):
        append(n, key="a" if n % 3 else "b", partition=n % 2)
    job = counted(filter={"key": "b"})
    assert (job.total, control.as_json(job)["estimated"]) == (10, False)
    done = runner.until_finished(job)
    assert (done.total, done.done) == (10, 10)


def test_a_replay_of_more_says_that_its_total_is_an_estimate_until_it_knows(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first hundred records match all, later ones one in four."""
    Bench()
    declare_stream()
    append(*({"n": 0} for _ in range(100)), *({"n": n % 4} for n in range(900)))
    monkeypatch.setattr(replay_plan, "LOOKED_AT", 50)
    monkeypatch.setattr(replaying, "LOOKED_AT", 100)
    job = counted(filter={"body": {"n": 0}})
    told = control.as_json(job)
    assert (told["total"], told["estimated"], told["eta"]) == (1000, True, None)
    totals = []
    while control.get(job.pk).finished_at is None:
        runner.rounds(1)
        told = shown(job)
        totals.append(told["total"])
        assert told["done"] <= told["total"]
        assert told["estimated"] == (told["state"] == "running")
    assert totals[:2] == [1000, 625]
    assert (told["total"], told["done"], told["state"]) == (325, 325, "done")
    assert sorted(totals, reverse=True) == totals


def test_the_time_left_of_a_filter_that_matches_nothing_is_told_by_what_was_looked_at(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    Bench()
    declare_stream()
    append(*range(1000))
    monkeypatch.setattr(replay_plan, "LOOKED_AT", 50)
    monkeypatch.setattr(replaying, "LOOKED_AT", 100)
    job = counted(filter={"key": "none"})
    for _ in range(2):
        runner.rounds(1)
        runner.time.advance(5)
    told = shown(job)
    assert (told["total"], told["done"], told["estimated"], told["state"]) == (0, 0, True, "running")
    assert told["eta"] == pytest.approx(40, abs=6)


def test_records_that_were_not_copied_are_listed(runner: Runner) -> None:
    Bench(max_body_bytes=5)
    declare_stream()
    append(1, "much too long", 2)
    job = runner.until_finished(counted())
    assert (job.done, job.failed) == (2, 1)
    [item] = failures.listing(job).items
    assert (item.destination, item.item, item.code) == ("stream:log", "0-1", "too_large")
    assert failures.as_json(item) == {
        "destination": "stream:log", "partition": 0, "offset": "1", "code": "too_large", "error": item.error,
    }  # fmt: skip


def test_a_plan_is_refused_as_the_replay_is(time: Time) -> None:
    Bench()
    with pytest.raises(NotFound):
        plan()
    declare_stream()
    for to in ("queue:none", "stream:none", "topic:none"):
        with pytest.raises(NotFound):
            plan(to=to)
    with pytest.raises(OffsetOutOfRange):
        plan(begin={"0": "7"})
    with pytest.raises(Invalid):
        plan(begin={"7": "0"})
    with pytest.raises(Invalid):
        plan(dry_run="yes")
