"""Of several nodes one runs a job: by a lease, which each chunk renews; when it has run out the next chunk is anybody's."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest

from brokerweb.core.errors import Conflict
from brokerweb.jobs import bulk, chunks, control, indexing
from brokerweb.jobs.models import Job
from brokerweb.queues import filters
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import control as streams
from tests.concurrency.threads import in_threads, insisting
from tests.jobs.acting import start, undo
from tests.jobs.bench import Runner, append, declare_stream, in_stream, replay
from tests.queues.bench import Bench, Time

ON_BOTH = True


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ITEMS", 3)


def run(job: Job, node: str) -> bool:
    """A chunk of it by that node; whether it was its turn."""
    return perform(chunks.run, job.pk, None, node)


def open_to(node: str) -> list[int]:
    return [job.id for job in read(chunks.open_jobs, node)]


def state(job: Job) -> str:
    return control.get(job.pk).state


def redrive(n: int) -> Job:
    orders = Bench()
    orders.kill(*range(n))
    return perform(bulk.create_redrive, "orders", filters.ALL, by="me")


def test_a_job_goes_on_in_another_node_when_its_own_has_ended(time: Time, small: None) -> None:
    job = redrive(10)
    assert run(job, "a")
    assert not run(job, "b")
    assert (open_to("a"), open_to("b")) == ([job.pk], [])

    time.at += chunks.HELD - 1
    assert not run(job, "b")
    time.at += 1
    assert open_to("b") == [job.pk]
    assert run(job, "b")
    assert (open_to("a"), run(job, "a")) == ([], False)
    while state(job) != "done":
        assert run(job, "b")
    assert Bench().counts() == {"ready": 10}
    assert control.get(job.pk).done == 10


def test_each_chunk_renews_the_lease(time: Time, small: None) -> None:
    job = redrive(10)
    for _ in range(3):
        assert run(job, "a")
        time.at += chunks.HELD - 1
        assert not run(job, "b")


def test_a_chunk_that_failed_keeps_the_lease_and_is_nobody_elses_to_note(time: Time, small: None) -> None:
    job = redrive(10)
    assert run(job, "a")
    perform(chunks.note_failure, job.pk, Conflict("elsewhere"), "b")
    assert control.get(job.pk).retries == 0
    perform(chunks.note_failure, job.pk, Conflict("here"), "a")
    assert (control.get(job.pk).retries, open_to("b")) == (1, [])


def test_a_node_that_lets_go_is_waited_for_by_nobody(time: Time, small: None) -> None:
    job = redrive(10)
    assert run(job, "a")
    perform(chunks.let_go, "a")
    assert open_to("b") == [job.pk]
    assert run(job, "b")


def test_the_duty_of_another_node_leaves_it_alone_and_does_not_spin(time: Time, runner: Runner, small: None) -> None:
    job = redrive(10)
    assert run(job, "a")
    assert runner.rounds(2) > 0
    assert control.get(job.pk).done == 3
    time.at += chunks.HELD
    runner.until_finished(job)
    assert Bench().counts() == {"ready": 10}


@pytest.mark.parametrize("time", ["on_postgres"], indirect=True)
def test_nodes_that_ask_at_once_run_a_job_in_one_of_them(time: Time, small: None) -> None:
    declare_stream("copy")
    declare_stream()
    append(*range(20))
    Bench("others").publish(*range(10))
    jobs = [replay(to="stream:copy"), redrive(20), start("purge", {"in": ["queue:others"]})]
    ran = Counter[tuple[int, str]]()

    def work(node: str) -> None:
        while any(state(job) not in ("done", "failed") for job in jobs):
            for job in jobs:
                if insisting(run, job, node):
                    ran[job.pk, node] += 1

    in_threads(*(partial(work, node) for node in "abc"))
    for job in jobs:
        assert sum(job.pk == id for id, _ in ran) == 1, "time stands still: no lease has run out"
    assert [state(job) for job in jobs] == ["done"] * 3
    assert in_stream("copy") == {0: list(range(20))}


@pytest.mark.parametrize("time", ["on_postgres"], indirect=True)
def test_what_makes_jobs_makes_them_once_however_many_ask(time: Time) -> None:
    declare_stream()
    append({"a": 1})
    perform(streams.declare, "log", {"search": ["$.a"]})
    in_threads(*[partial(insisting, perform, indexing.tend)] * 4)
    assert [job.kind for job in Job.objects.all()] == ["index"]

    orders = Bench()
    orders.kill(1)
    job = start("redrive", {"in": ["queue:orders"]})
    while state(job) != "done":
        run(job, "a")
    undone: list[Any] = []

    def undo_it() -> None:
        try:
            undone.append(insisting(undo, job))
        except Conflict:
            return

    in_threads(*[undo_it] * 3)
    assert len(undone) == Job.objects.filter(kind="undo").count() == 1
