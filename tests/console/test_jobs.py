"""Jobs in the console: large purges and redrives become one, with progress and a way to cancel it."""

from __future__ import annotations

import pytest

from brokerweb.identity.models import AuditEntry
from brokerweb.jobs import chunks
from brokerweb.jobs.models import Job
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from tests.console.conftest import declare, declare_stream, kill, person, publish, text

pytestmark = pytest.mark.usefixtures("database")
MANY = 1_001


def started(client) -> Job:
    declare("orders")
    publish("orders", *range(MANY))
    client.post("/queues/orders/purge", {"states": "ready", "counted": "ready", "typed": "orders"})
    return Job.objects.get()


def test_a_large_purge_says_that_it_is_a_job_and_becomes_one(client):
    declare("orders")
    publish("orders", *range(MANY))
    assert "More than a thousand" in text(client.get("/queues/orders/purge"))
    response = client.post("/queues/orders/purge", {"states": "ready", "counted": "ready", "typed": "orders"})
    job = Job.objects.get()
    assert response["Location"] == f"/jobs/{job.pk}"
    assert (job.kind, job.target, job.total, job.created_by) == ("purge", "queue:orders", MANY, "admin")
    assert f"0 of {MANY:,}" in text(client.get(f"/jobs/{job.pk}"))
    perform(chunks.run, job.pk)
    assert f"500 of {MANY:,}" in text(client.get(f"/jobs/{job.pk}", headers={"HX-Request": "true"}))


def test_a_small_purge_is_done_at_once(client):
    declare("orders")
    publish("orders", 1, 2)
    client.post("/queues/orders/purge", {"states": "ready", "counted": "ready", "typed": "orders"})
    assert not Job.objects.exists()
    assert not Message.objects.exists()


def test_a_rate_below_a_tenth_is_shown_as_it_is(client):
    publish(declare(), 1)
    kill("orders", "broken")
    place = client.post("/dead/redrive", {"all": "1", "rate": "0.05"})["Location"]
    assert "0.05 a second" in text(client.get(place))


def test_a_redrive_at_a_rate_is_a_job(client):
    declare("orders")
    publish("orders", 1, 2)
    kill("orders", "x", "y")
    response = client.post("/dead/redrive", {"all": "1", "rate": "5"})
    job = Job.objects.get()
    assert (response["Location"], job.kind, job.rate) == (f"/jobs/{job.pk}", "redrive", 5)
    perform(chunks.run, job.pk)
    assert Message.objects.filter(state=State.READY).exists()


def test_a_job_is_cancelled_once(client):
    job = started(client)
    client.post(f"/jobs/{job.pk}/cancel")
    assert Job.objects.get().state == "cancelled"
    assert Message.objects.count() == MANY
    assert "is finished: it is cancelled" in text(client.post(f"/jobs/{job.pk}/cancel", follow=True))
    assert "Cancel the job" not in text(client.get(f"/jobs/{job.pk}"))
    assert "job.cancel" in AuditEntry.objects.values_list("action", flat=True)


def test_jobs_are_seen_and_cancelled_by_who_may(client):
    job = started(client)
    stranger, viewer = person(("other", ["browse", "manage"]), name="a"), person(("orders", ["browse"]), name="b")
    assert stranger.get("/jobs").context["rows"] == []
    assert stranger.get(f"/jobs/{job.pk}").status_code == 403
    assert len(viewer.get("/jobs").context["rows"]) == 1
    assert "Cancel the job" not in text(viewer.get(f"/jobs/{job.pk}"))
    assert viewer.post(f"/jobs/{job.pk}/cancel").status_code == 403
    assert Job.objects.get().state == "waiting"


def test_a_failed_job_is_on_the_overview(client):
    declare_stream()
    job = started(client)
    Job.objects.update(state="failed", error="<b>disk</b>", finished_at=job.created_at, cursor={})
    assert f"Job {job.pk}" in text(client.get("/"))
    assert "&lt;b&gt;disk&lt;/b&gt;" in text(client.get(f"/jobs/{job.pk}"))
    assert client.get("/jobs?target=queue:orders").context["rows"]
    assert not client.get("/jobs?target=queue:other").context["rows"]
    assert client.get("/jobs/99999").status_code == 404


def test_a_job_that_is_done_but_for_some_of_it_does_not_look_well(client):
    job = started(client)
    Job.objects.filter(pk=job.pk).update(state="done", done=1_000, failed=1, finished_at=job.created_at)
    assert "done, some failed" in text(client.get(f"/jobs/{job.pk}"))
    assert "could not purge 1 of 1,001 of queue:orders" in text(client.get("/"))
    Job.objects.filter(pk=job.pk).update(done=0, failed=MANY)
    assert "done, all failed" in text(client.get("/jobs"))
