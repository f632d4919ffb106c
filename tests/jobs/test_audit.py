"""The audit trail of purge and redrive: its entry and what is done stand together, or neither does."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import DatabaseError, connection

from brokerweb.core.errors import BrokerError, Conflict, Invalid, NotFound
from brokerweb.identity.audit import Entry
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.jobs import bulk
from brokerweb.jobs.models import Job
from brokerweb.queues import browse
from brokerweb.queues import bulk as chunks
from brokerweb.queues.models import Queue
from tests.jobs.bench import Runner
from tests.jobs.test_bulk import dead_records, fill, kill
from tests.queues.bench import Bench, Time

Start = Callable[..., int | Job]


@contextmanager
def unwritable_trail() -> Generator[None]:
    """The store refuses every entry."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"CREATE TRIGGER refusing BEFORE INSERT ON {AuditEntry._meta.db_table} BEGIN SELECT RAISE(ABORT, 'no entry'); END"
        )
        try:
            yield
        finally:
            cursor.execute("DROP TRIGGER refusing")


def entry(action: str = "queue.purge") -> Entry:
    return Entry(broker_itself(), action, "queue:orders", {}, None)


def recorded() -> list[str]:
    return list(AuditEntry.objects.order_by("id").values_list("action", flat=True))


def purging(n: int) -> tuple[Queue, Start]:
    fill(Bench(), n)
    return browse.find("orders"), lambda **options: bulk.start_purge("orders", by="me", entry=entry(), **options)


def redriving(n: int) -> tuple[Queue, Start]:
    kill(Bench(), n)
    made = entry("queue.redrive")
    return browse.find("orders"), lambda **options: bulk.start_redrive("orders", by="me", entry=made, **options)


def redriving_of_a_group(n: int) -> tuple[Queue, Start]:
    queue, made = dead_records(n), entry("group.redrive")
    return queue, lambda **options: bulk.start_group_redrive("log", "workers", by="me", entry=made, **options)


@pytest.mark.parametrize("prepared", [purging, redriving, redriving_of_a_group])
@pytest.mark.parametrize(("n", "rate"), [(3, None), (600, None), (3, 5)], ids=["at once", "in two commits", "by a job"])
def test_what_was_done_has_one_entry(time: Time, prepared: Any, n: int, rate: float | None) -> None:
    _, start = prepared(n)
    done = start(rate=rate)
    assert isinstance(done, Job) if rate else done == n
    assert len(recorded()) == 1


@pytest.mark.parametrize("prepared", [purging, redriving, redriving_of_a_group])
@pytest.mark.parametrize("rate", [None, 5], ids=["at once", "by a job"])
def test_without_its_entry_nothing_is_done(time: Time, prepared: Any, rate: float | None) -> None:
    queue, start = prepared(3)
    before = browse.counts([queue.pk])
    with unwritable_trail(), pytest.raises((DatabaseError, BrokerError)):
        start(rate=rate)
    assert (browse.counts([queue.pk]), Job.objects.count(), recorded()) == (before, 0, [])


def test_without_its_entry_nothing_is_done_through_the_committer_either(runner: Runner) -> None:
    queue, start = purging(3)
    with unwritable_trail(), pytest.raises(BrokerError):
        runner.call(start)
    assert (browse.counts([queue.pk])[queue.pk]["ready"], recorded()) == (3, [])
    assert runner.call(start) == 3
    assert recorded() == ["queue.purge"]


@pytest.mark.parametrize("step", ["take_out", "revive"])
def test_what_fails_has_no_entry(time: Time, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def fails(*args: Any, **options: Any) -> None:
        raise Conflict("not now")

    monkeypatch.setattr(chunks, step, fails)
    _, start = (purging if step == "take_out" else redriving)(3)
    with pytest.raises(Conflict):
        start()
    assert recorded() == []


def test_what_cannot_begin_has_no_entry(time: Time) -> None:
    _, start = redriving(3)
    for error, options in ((NotFound, {"to": "nowhere"}), (NotFound, {"to": "nowhere", "rate": 5}), (Invalid, {"rate": 0})):
        with pytest.raises(error):
            start(**options)
    assert recorded() == []
