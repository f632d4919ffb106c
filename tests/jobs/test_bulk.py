"""Purge and redrive as jobs: chunks, rates, crashes, turns, cancel."""

from __future__ import annotations

from typing import Any

import pytest

from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.handout import shared_groups
from brokerweb.handout.lease import lease
from brokerweb.jobs import bulk, chunks, control, destinations, duties
from brokerweb.jobs.models import Job
from brokerweb.queues import browse, engine, filters
from brokerweb.queues import control as queues
from brokerweb.queues.leasing import Terms
from brokerweb.queues.messages import Settle
from brokerweb.queues.models import Message, Queue
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import groups
from tests.jobs.bench import Runner, append, declare_stream, many, shown
from tests.queues.bench import Bench, Time

ON_BOTH = True


def fill(bench: Bench, n: int, **fields: Any) -> None:
    for i in range(0, n, 1000):
        bench.publish(*range(i, min(i + 1000, n)), **fields)


def kill(bench: Bench, n: int) -> None:
    for i in range(0, n, 1000):
        bench.kill(*range(i, min(i + 1000, n)))


def as_job(started: int | Job) -> Job:
    assert isinstance(started, Job)
    return started


def test_few_are_taken_inside_the_call_and_many_by_a_job(time: Time) -> None:
    bench = Bench()
    fill(bench, 1000)
    assert bulk.start_purge("orders", by="me") == 1000
    fill(bench, 1001)
    job = as_job(bulk.start_purge("orders", by="me"))
    assert (job.kind, job.state, job.total, bench.counts()) == ("purge", "waiting", 1001, {"ready": 1001})
    assert bulk.start_purge("orders", filters.parse({"key": "none"}), by="me") == 0


def test_a_rate_makes_a_job_of_any_number(time: Time) -> None:
    bench = Bench()
    bench.publish(1)
    assert as_job(bulk.start_purge("orders", rate=5, by="me")).rate == 5
    with pytest.raises(Invalid):
        bulk.start_purge("orders", rate=0, by="me")
    with pytest.raises(NotFound):
        bulk.start_purge("nowhere", rate=1, by="me")
    with pytest.raises(NotFound):
        bulk.start_redrive("orders", to="nowhere", rate=1, by="me")


@many
def test_a_purge_of_five_thousand(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 5000)
    job = as_job(bulk.start_purge("orders", by="me"))
    bench.publish("later")
    runner.until_idle()
    assert bench.counts() == {"ready": 1}, "what came later stays"
    told = shown(job)
    assert (told["state"], told["done"], told["total"], told["failed"], told["error"]) == ("done", 5000, 5000, 0, None)
    assert told["created_by"] == "me"
    assert told["started_at"] is not None
    assert told["finished_at"] is not None


@many
def test_a_redrive_of_five_thousand_into_another_queue(runner: Runner) -> None:
    bench, other = Bench(), Bench("other")
    kill(bench, 5000)
    job = as_job(bulk.start_redrive("orders", to="other", by="me"))
    runner.until_idle()
    assert (bench.counts(), other.counts()) == ({}, {"ready": 5000})
    assert (shown(job)["done"], shown(job)["to"]) == (5000, "queue:other")
    assert other.order() == sorted(other.order())


def test_each_chunk_is_a_commit_with_where_the_next_begins(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 1200)
    job = as_job(bulk.start_purge("orders", by="me"))
    runner.rounds(1)
    assert (shown(job)["state"], shown(job)["done"], bench.counts()) == ("running", 500, {"ready": 700})
    runner.rounds(1)  # another process: nothing is kept in memory
    assert (shown(job)["done"], bench.counts()) == (1000, {"ready": 200})
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"], bench.counts()) == ("done", 1200, {})


def dead_records(n: int) -> Queue:
    """A stream of so many records, all of which died in its shared group; the group's queue."""
    declare_stream()
    append(*range(n))
    perform(groups.declare_group, "log", "workers", {"kind": "shared", "start": "earliest"})
    queue = read(shared_groups.queue_of, "log", "workers")
    while leased := perform(lease, queue.pk, 1000, Terms("tests")).messages:
        perform(engine.settle, [Settle("dead", str(m.receipt)) for m in leased])
    return queue


@many
def test_many_dead_records_of_a_shared_group_are_put_back_by_a_job(runner: Runner) -> None:
    queue = dead_records(1200)
    job = as_job(bulk.start_group_redrive("log", "workers", by="me"))
    assert (job.target, job.params, job.total) == ("stream:log", {"filter": {"states": ["dead"]}, "group": "workers"}, 1200)
    runner.rounds(1)
    assert (shown(job)["done"], browse.counts([queue.pk])[queue.pk]["dead"]) == (500, 700)
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"], browse.counts([queue.pk])[queue.pk]["ready"]) == ("done", 1200, 1200)
    assert bulk.start_group_redrive("log", "workers", by="me") == 0


def test_a_group_that_is_deleted_ends_its_redrive_and_one_of_that_name_is_not_touched(runner: Runner) -> None:
    dead_records(10)
    job = as_job(bulk.start_group_redrive("log", "workers", rate=4, by="me"))
    runner.rounds(1)
    perform(groups.delete_group, "log", "workers")
    perform(groups.declare_group, "log", "workers", {"kind": "shared", "start": "earliest"})
    runner.time.advance(10)
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"]) == ("failed", 1)
    assert shown(job)["error"] == "The consumer group was deleted."


def test_a_crash_before_the_commit_repeats_the_chunk_and_nothing_else(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench()
    kill(bench, 1200)
    job = as_job(bulk.start_redrive("orders", by="me"))
    runner.rounds(1)
    advance = chunks._advance

    def crash(*args: Any) -> None:
        advance(*args)
        raise SystemError("the process ends here")

    with monkeypatch.context() as patch:
        patch.setattr(chunks, "_advance", crash)
        patch.setattr(chunks, "note_failure", lambda *_: None)  # nobody is left to note it
        runner.rounds(1)
    assert (shown(job)["done"], bench.counts()) == (500, {"ready": 500, "dead": 700})
    runner.until_idle()
    assert (shown(job)["state"], shown(job)["done"], bench.counts()) == ("done", 1200, {"ready": 1200})


def test_a_rate_is_kept(runner: Runner, time: Time) -> None:
    bench = Bench()
    fill(bench, 30)
    job = as_job(bulk.start_purge("orders", rate=20, by="me"))
    seen = []
    for _ in range(5):
        runner.until_idle()
        seen.append(shown(job)["done"])
        time.advance(0.25)
    assert seen == [5, 10, 15, 20, 25]
    assert runner.until_finished(job).done == 30


def test_a_slow_rate_is_one_at_a_time(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 3)
    job = as_job(bulk.start_purge("orders", rate=0.1, by="me"))
    assert runner.until_idle() == pytest.approx(10)
    assert runner.until_idle() == pytest.approx(10)
    assert shown(job)["done"] == 1


def test_jobs_take_turns(runner: Runner) -> None:
    first, second = Bench("first"), Bench("second")
    fill(first, 1100)
    fill(second, 1100)
    jobs = [as_job(bulk.start_purge(name, by="me")) for name in ("first", "second")]
    runner.rounds(1)
    assert [shown(job)["done"] for job in jobs] == [500, 500]
    runner.until_idle()
    assert [shown(job)["state"] for job in jobs] == ["done", "done"]


def test_a_cancelled_job_keeps_what_it_did_and_does_nothing_more(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 1200)
    job = as_job(bulk.start_purge("orders", by="me"))
    runner.rounds(1)
    cancelled = perform(control.cancel, job.pk)
    assert (cancelled.state, cancelled.done) == ("cancelled", 500)
    runner.until_idle()
    assert bench.counts() == {"ready": 700}
    with pytest.raises(Conflict):
        perform(control.cancel, job.pk)
    with pytest.raises(NotFound):
        perform(control.cancel, job.pk + 1)


def test_a_deleted_queue_fails_the_job_with_the_errors_text(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 1200)
    job = as_job(bulk.start_purge("orders", by="me"))
    runner.rounds(1)
    perform(queues.delete, "orders")
    runner.until_idle()
    told = shown(job)
    assert (told["state"], told["done"], told["error"]) == ("failed", 500, "There is no queue orders.")
    assert told["finished_at"] is not None


def test_a_queue_of_the_same_name_is_another(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 1200)
    job = as_job(bulk.start_purge("orders", by="me"))
    perform(queues.delete, "orders")
    again = Bench()
    again.publish(1)
    runner.until_idle()
    assert (again.counts(), shown(job)["done"]) == ({"ready": 1}, 0)


def test_a_filter_is_kept(runner: Runner) -> None:
    bench = Bench()
    fill(bench, 1500, key="a")
    fill(bench, 10, key="b")
    job = as_job(bulk.start_purge("orders", filters.parse({"key": "a", "state": "ready"}), by="me"))
    assert shown(job)["params"] == {"filter": {"states": ["ready"], "key": "a"}}
    runner.until_idle()
    assert (shown(job)["done"], set(Message.objects.values_list("key", flat=True))) == (1500, {"b"})


def test_named_ids_at_a_rate(runner: Runner) -> None:
    bench = Bench()
    ids = bench.publish(1, 2, 3)
    job = as_job(bulk.start_purge("orders", filters.parse({"ids": ids[:2]}), rate=1000, by="me"))
    assert shown(job)["total"] == 2
    runner.until_idle()
    assert Message.objects.get().pk == ids[2]


def test_nothing_to_do_is_one_read_and_no_write(runner: Runner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "run", None)
    assert runner.rounds(1) == 0.5


def test_lists_are_paged_from_the_newest_and_shown_to_who_may_see(time: Time) -> None:
    bench = Bench()
    bench.publish(1)
    jobs = [as_job(bulk.start_purge("orders", rate=1, by="me")).pk for _ in range(5)]
    page = control.listing(limit=2)
    assert [job.pk for job in page.items] == jobs[:2:-1]
    rest = control.listing(limit=10, after=page.next)
    assert ([job.pk for job in rest.items], rest.next) == (jobs[2::-1], None)
    assert not control.listing(target="queue:other").items
    assert not control.listing(visible=lambda job: job.target != "queue:orders").items
    with pytest.raises(Invalid):
        control.listing(target="queue:orders", after=page.next)


def finish(n: int) -> list[int]:
    """That many jobs, one after the other, which end at once."""
    jobs = [as_job(bulk.start_purge("orders", rate=1, by="me")).pk for _ in range(n)]
    for pk in jobs:
        perform(control.cancel, pk)
    return jobs


def ids() -> list[int]:
    return list(Job.objects.order_by("pk").values_list("pk", flat=True))


def test_the_last_that_finished_are_kept_and_every_one_that_is_open(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    Bench()
    monkeypatch.setattr(duties, "KEPT", 3)
    slow = as_job(bulk.start_purge("orders", rate=1, by="me")).pk
    jobs = finish(6)
    assert perform(duties.forget, 2) == 2, "in bounded steps"
    assert (perform(duties.forget), perform(duties.forget)) == (1, 0)
    assert ids() == [slow, *jobs[3:]]
    time.advance(1)
    perform(control.cancel, slow)
    perform(duties.forget)
    assert ids() == [slow, *jobs[4:]], "it began first, and ended last"


def test_a_finished_job_is_kept_for_thirty_days(time: Time) -> None:
    Bench()
    [old] = finish(1)
    time.advance(30 * 86_400 - 1)
    [new] = finish(1)
    assert (perform(duties.forget), ids()) == (0, [old, new])
    time.advance(1)
    assert (perform(duties.forget), ids()) == (1, [new])


def test_the_runners_read_uses_its_index(db: None) -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        text = destinations.Q.open.text["sqlite"].replace("?1", "'node-1'").replace("?2", "0").replace("?3", "50")
        cursor.execute(f"EXPLAIN QUERY PLAN {text}")
        plan = " ".join(row[3] for row in cursor.fetchall())
    assert "job_open" in plan
