"""The overview, what is stuck and failures by cause: the same as REST has, by damage, and only what one may see."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from brokerweb.answers import causes, stuck
from brokerweb.console.overview import attention
from brokerweb.console.overview.attention import ALONE, FOLDED
from brokerweb.core import events
from brokerweb.identity.clients import Introduction
from brokerweb.identity.principal import broker_itself
from brokerweb.jobs import chunks
from brokerweb.jobs.models import Job
from brokerweb.queues import control, stats
from brokerweb.queues.activity import attend
from brokerweb.queues.models import Message, Queue
from brokerweb.queues.states import State
from brokerweb.storage.run import perform
from brokerweb.streams import membership
from tests.console.conftest import (
    HOSTILE,
    append,
    declare,
    declare_group,
    declare_stream,
    kill,
    kill_records,
    person,
    polled_by,
    publish,
    text,
)
from tests.console.test_security import assert_nothing_runs
from tests.queues.bench import Time

pytestmark = pytest.mark.usefixtures("database")
TRACEBACK = "Traceback (most recent call last):\n  File \"/srv/{0}.py\", line {0}, in f\nKeyError: 'zip {0}'"


def wait(name: str, n: int = 1) -> str:
    """A queue with messages that nobody takes."""
    publish(declare(name), *range(n))
    return name


def died(name: str, *errors: str) -> list[int]:
    publish(declare(name), *errors)
    return kill(name, *errors)


def found(client: Client, place: str = "/") -> list[str]:
    return [finding.name for finding in client.get(place).context["findings"].shown]


# The overview


def test_findings_come_by_damage_each_with_since_when_and_its_one_act(client, time: Time):
    wait("few", 2)
    time.advance(50)
    wait("many", 100)
    died("failed", "boom")
    time.advance(60)
    page = client.get("/")
    first, second, third = page.context["findings"].shown
    assert [first.name, second.name, third.name] == ["many", "few", "boom"]
    assert (first.act.label, third.act.label) == ("Connect one", "Plan a redrive")
    assert re.search(r"2 things stand\s+still:\s+102 messages wait, the oldest for <span[^>]*>1 min", text(page))
    assert "Nobody consumes many, and 100 messages wait." in text(page)
    assert re.search(r"for <time [^>]*>1 min</time>", text(page))


def test_what_only_falls_behind_is_found_and_does_not_stand_still(client, time: Time, monkeypatch: pytest.MonkeyPatch):
    wait("slow", 100)
    queue_id = Queue.objects.get(name="slow").pk
    coming = {queue_id: dict.fromkeys(stats.RATES, 5.0) | {events.PUBLISHED: 20.0}}
    monkeypatch.setattr(stats, "by_id", lambda: coming)
    monkeypatch.setattr(stats, "rates", coming.__getitem__)
    time.advance(60)
    polled_by("rest:token:1", queue_id, monkeypatch)
    page = client.get("/")
    [finding] = page.context["findings"].shown
    assert (finding.name, finding.kind, finding.level) == ("slow", "falling_behind", "warn")
    assert finding.damage == pytest.approx(6_000, 0.01)
    assert "they grow by" in text(page)
    assert page.context["findings"].standing == 0
    assert "Nothing stands still" in text(page)
    assert found(client, "/") == ["slow"]
    assert stuck.stuck(broker_itself()) == []


def test_those_that_are_alike_fold_and_lead_to_all_of_them(client, time: Time):
    for n in range(FOLDED + 2):
        wait(f"q{n}", n + 1)
    time.advance(60)
    page = client.get("/")
    shown = page.context["findings"].shown
    assert page.context["findings"].total == FOLDED + 2
    assert len(shown) == ALONE + 1
    [more] = [finding for finding in shown if finding.name == f"{FOLDED:,} more"]
    assert "stand still for the same reason (no consumer): q3, q2, q1 and others" in more.text
    listed = client.get(more.url).context["items"]
    assert [item.name for item in listed] == [f"q{n}" for n in reversed(range(FOLDED + 2))]


def test_all_that_stands_still_is_counted_however_little_of_it_is_shown(client, time: Time, monkeypatch: pytest.MonkeyPatch):
    for n in range(9):
        wait(f"q{n}", n + 1)
    time.advance(60)
    monkeypatch.setattr(attention, "LOOKED_AT", FOLDED + 1)
    page = client.get("/")
    assert re.search(r"9 things stand\s+still:\s+45 messages wait, the oldest for <span[^>]*>1 min", text(page))
    assert (page.context["findings"].total, page.context["findings"].standing) == (9, 9)
    assert {finding.name for finding in page.context["findings"].shown} == {"q8", "q7", f"{FOLDED - 1}+ more"}


def test_a_broker_in_order_is_well_and_nothing_else_is_green(client, time: Time):
    declare("orders")
    assert "Nothing stands still, and nothing failed." in text(client.get("/"))
    publish("orders", 1)
    perform(control.pause, "orders", reason="x", by="ann")
    time.advance(60)
    page = text(client.get("/"))
    assert 'class="badge ok"' not in page
    assert "ann paused it" in page
    assert 'action="/queues/orders/resume"' in page


def test_the_act_of_the_overview_is_done_there_and_can_be_undone(client, time: Time):
    wait("orders")
    perform(control.pause, "orders", reason="x", by="ann")
    time.advance(60)
    response = client.post("/queues/orders/resume", {"back": "/"})
    assert response["Location"] == "/"
    assert "/queues/orders/resume/undo" in text(client.get("/"))
    assert Queue.objects.get().paused_at is None


# Stuck


def test_the_page_says_what_rest_says(client, time: Time):
    wait("lonely", 3)
    perform(control.pause, wait("paused", 5), reason="<b>why</b>", by="ann")
    append(declare_stream(), *range(4))
    declare_group("readers")
    time.advance(120)
    items = client.get("/stuck").context["items"]
    told = json.loads(client.get("/api/v1/stuck").content)["items"]
    assert [(f"{i.kind}:{i.name}", i.group or None, i.code, i.text, i.held) for i in items] == [
        (t["destination"], t["group"], t["verdict"]["code"], t["verdict"]["text"], t["held"]) for t in told
    ]
    assert {item.code for item in items} == {"no_consumer", "paused", "no_members"}
    assert "&lt;b&gt;why&lt;/b&gt;" in text(client.get("/stuck"))
    assert [item.name for item in client.get("/stuck?why=paused").context["items"]] == ["paused"]
    assert "Nothing of that kind" in text(client.get("/stuck?why=full"))


def test_a_silent_member_of_a_group_is_seen_on_its_page(client, time: Time):
    declare_group("readers", declare_stream())
    perform(membership.join, "events", "readers", "node-1/c1/1", name="shop", client="reader-1")
    append("events", *range(4))
    time.advance(30)
    page = text(client.get("/streams/events/groups/readers"))
    assert "nothing yet" in page
    assert '<span class="small soft">silent for 30 s</span>' in page
    time.advance(31)
    page = text(client.get("/streams/events/groups/readers"))
    assert '<span class="badge stands">silent for 1 min' in page
    [member] = client.get("/streams/events/groups/readers").context["group"]["members"]
    assert (member["lag"], member["stands"], member["connection"]) == (4, True, "")


def test_nothing_stuck_is_said_in_words(client, time: Time):
    wait("just.now")
    assert "Nothing stands still" in text(client.get("/stuck"))


# Causes


def test_causes_are_those_of_rest_over_queues_and_groups(client, time: Time):
    died("emails", *(TRACEBACK.format(n) for n in range(3)))
    died("receipts", TRACEBACK.format(9))
    died("thumbnails", "UnsupportedImage: a.heic")
    append(declare_stream(), 1)
    kill_records("events", declare_group("shared", kind="shared"), TRACEBACK.format(7))
    first, second = client.get("/dead/causes").context["causes"]
    told = json.loads(client.get("/api/v1/dead/groups").content)["items"]
    assert [(c.fingerprint, c.count, c.hours, c.again) for c in (first, second)] == [
        (t["fingerprint"], t["count"], t["hours"], t["again"]) for t in told
    ]
    assert (first.count, first.hours[-1], [place.name for place in first.places]) == (
        5,
        5,
        ["emails", "receipts", "events / shared"],
    )
    page = text(client.get("/dead/causes"))
    assert "KeyError: " in page
    assert 'aria-label="5 in the last hour"' in page


def test_causes_are_limited_to_a_time_and_a_place(client, time: Time):
    died("old", "before")
    time.advance(7_200)
    died("new", "after")
    titles = lambda query: [cause.title for cause in client.get(f"/dead/causes?{query}").context["causes"]]
    assert titles("since=1h") == ["after"]
    assert titles("in=queue:o*") == ["before"]
    assert titles("since=24h&in=queue:x") == []
    assert "No cause matches" in text(client.get("/dead/causes?in=queue:x"))
    assert client.get("/dead/causes?in=nonsense").status_code == 400


def redriven(client: Client, **asked: object) -> Job:
    """What the plan's page sends when its button is pressed."""
    place = client.post("/jobs/plan", {"action": "redrive", "known": ["", "no_consumer", "again"], **asked})["Location"]
    return Job.objects.get(pk=int(place.rpartition("/")[2]))


def run(job: Job) -> Job:
    perform(chunks.run, job.pk)
    return Job.objects.get(pk=job.pk)


def test_a_cause_is_planned_put_back_and_taken_back(client, time: Time):
    died("emails", "a 1", "a 2")
    died("receipts", "a 3", "b")
    [cause, _] = client.get("/dead/causes").context["causes"]
    plan = client.get(f"/jobs/plan?action=redrive&cause={cause.fingerprint}")
    assert "Redrive 3 messages" in text(plan)
    assert "nobody consumes" in text(plan).lower()
    assert Message.objects.filter(state=State.DEAD).count() == 4
    job = run(redriven(client, cause=cause.fingerprint))
    assert (job.state, job.done, Message.objects.filter(state=State.READY).count()) == ("done", 3, 3)
    page = text(client.get(f"/jobs/{job.pk}"))
    assert f'action="/jobs/{job.pk}/undo"' in page
    taken = client.post(f"/jobs/{job.pk}/undo")["Location"]
    assert run(Job.objects.get(pk=int(taken.rpartition("/")[2]))).done == 3
    assert Message.objects.filter(state=State.DEAD).count() == 4
    assert f'action="/jobs/{job.pk}/undo"' not in text(client.get(f"/jobs/{job.pk}"))


def test_a_queue_with_a_handler_has_a_consumer_in_plans(client, time: Time):
    died("emails", "a")
    queue = Queue.objects.get(name="emails")
    pages = [
        f"/jobs/plan?action=redrive&cause={client.get('/dead/causes').context['causes'][0].fingerprint}",
        "/dead/redrive?all=1",
    ]
    assert ["nobody consumes" in text(client.get(page)).lower() for page in pages] == [True, True]
    perform(attend, [queue.pk], Introduction("consume@till:1", "consume@till:1", "handlers", "python", None, None))
    assert ["nobody consumes" in text(client.get(page)).lower() for page in pages] == [False, False]


def test_several_causes_are_one_plan_and_one_job_that_is_undone_as_one(client, time: Time):
    died("emails", "first 1", "second 2", "first 3", "other")
    died("receipts", "second 4")
    prints = [c.fingerprint for c in client.get("/dead/causes").context["causes"] if c.title != "other"]
    plan = client.get("/jobs/plan", {"action": "redrive", "cause": prints})
    assert [error["count"] for error in plan.context["plan"].errors] == [2, 2]
    assert "Redrive 4 messages" in text(plan)
    assert [(part.place, part.n) for part in plan.context["plan"].parts] == [("emails", 3), ("receipts", 1)]
    job = redriven(client, cause=prints)
    assert (Job.objects.count(), job.total) == (1, 4)
    job = run(job)
    assert (job.state, job.done, Message.objects.filter(state=State.DEAD).count()) == ("done", 4, 1)
    taken = client.post(f"/jobs/{job.pk}/undo")["Location"]
    assert run(Job.objects.get(pk=int(taken.rpartition("/")[2]))).done == 4
    assert Message.objects.filter(state=State.DEAD).count() == 5


def test_trying_with_the_first_waits_for_it(client, time: Time):
    died("emails", "a 1", "a 2")
    [cause] = client.get("/dead/causes").context["causes"]
    job = run(redriven(client, cause=cause.fingerprint, first="1"))
    assert (job.state, job.done) == ("trying", 1)
    assert "It waits for the first" in text(client.get(f"/jobs/{job.pk}"))


def test_a_plan_that_has_something_new_to_know_is_shown_again(client, time: Time):
    died("emails", "a")
    declare("elsewhere", max_length=1)
    publish("elsewhere", 1)
    [cause] = client.get("/dead/causes").context["causes"]
    asked = {"action": "redrive", "cause": cause.fingerprint, "to": "elsewhere", "known": ["", "no_consumer"]}
    page = client.post("/jobs/plan", asked)
    assert (page.status_code, Job.objects.count()) == (200, 0)
    assert "target_full" in text(page)
    assert "there is something new to know first" in text(page)
    client.post("/jobs/plan", {**asked, "known": ["", "no_consumer", "target_full"]})
    assert Job.objects.get().to == "queue:elsewhere"


def test_discarding_wants_the_number_typed(client, time: Time):
    ids = died("emails", "a", "b")
    picks = [f"queue:emails/{id}" for id in ids]
    page = client.post("/jobs/plan", {"action": "purge", "pick": picks, "preview": "1"})
    assert "Discard 2 messages" in text(page)
    refused = client.post("/jobs/plan", {"action": "purge", "pick": picks, "known": "", "typed": "3"})
    assert (refused.status_code, Job.objects.count()) == (400, 0)
    client.post("/jobs/plan", {"action": "purge", "pick": picks, "known": "", "typed": "2"})
    assert run(Job.objects.get()).done == 2
    assert not Message.objects.exists()


def test_moving_needs_a_target_that_is_there(client, time: Time):
    [id] = publish(declare("orders"), 1)
    asked = {"action": "move", "pick": f"queue:orders/{id}", "known": ["", "no_consumer"]}
    assert "Move 1 message" in text(client.post("/jobs/plan", {**asked, "preview": "1"}))
    for to, said in (("", "This field is required."), ("nothing", "There is no queue nothing.")):
        page = client.post("/jobs/plan", {**asked, "to": to})
        assert (page.status_code, said in text(page)) == (400, True)
    declare("target")
    client.post("/jobs/plan", {**asked, "to": "queue:target"})
    assert run(Job.objects.get()).done == 1


def test_what_a_job_could_not_do_is_listed(client, time: Time):
    [id] = died("emails", "a")
    job = redriven(client, pick=[f"queue:emails/{id}", "queue:emails/999"])
    run(job)
    page = text(client.get(f"/jobs/{job.pk}"))
    assert "What it could not do" in page
    assert "There is no message 999" in page


def test_a_plan_of_nothing_says_so(client, time: Time):
    declare("orders")
    assert "Nothing is chosen" in text(client.get("/jobs/plan?action=redrive"))
    assert "Nothing matches" in text(client.post("/jobs/plan", {"action": "redrive", "pick": "queue:orders/1", "preview": "1"}))
    assert client.get("/jobs/plan?action=nonsense").status_code == 400
    assert client.get("/jobs/plan?action=redrive&cause=xyz").status_code == 400


# Who may see and do what


def test_nobody_sees_what_they_may_not_browse(client, time: Time):
    for name in ("mine.a", "secret.b"):
        wait(f"{name}.waiting", 2)
        died(f"{name}.dead", f"error of {name}")
    append(declare_stream("secret.c"), 1)
    kill_records("secret.c", declare_group("g", "secret.c", kind="shared"), "error of secret.c")
    time.advance(60)
    viewer = person(("mine.*", ["browse"]))
    for place in ("/", "/stuck", "/dead/causes"):
        page = text(viewer.get(place))
        assert "mine.a" in page, place
        assert "secret" not in page, place
    [secret] = [c for c in causes.groups(broker_itself()).items if c["error"] == "error of secret.b"]
    refused = text(viewer.get(f"/jobs/plan?action=redrive&cause={secret['fingerprint']}"))
    assert "secret" not in refused


def test_no_button_is_there_that_would_be_refused(client, time: Time):
    perform(control.pause, wait("orders"), reason="x", by="ann")
    died("emails", "a")
    time.advance(60)
    viewer = person(("*", ["browse"]))
    for place in ("/", "/stuck", "/dead/causes"):
        page = text(viewer.get(place))
        assert "/resume" not in page, place
        assert 'name="cause"' not in page, place
        assert "Plan a redrive" not in page, place
        assert "Redrive…" not in page, place
    [cause] = viewer.get("/dead/causes").context["causes"]
    refused = viewer.post("/jobs/plan", {"action": "redrive", "cause": cause.fingerprint, "known": ""})
    assert (refused.status_code, Job.objects.count()) == (403, 0)


def test_a_cause_that_is_elsewhere_too_is_ticked_by_who_may_act_on_all_of_it(client, time: Time):
    died("mine", "a 1")
    died("theirs", "a 2")
    viewer = person(("*", ["browse"]), ("mine", ["manage"]))
    [cause] = viewer.get("/dead/causes").context["causes"]
    assert not cause.may_manage
    assert viewer.get("/dead/causes?in=queue:mine").context["causes"][0].may_manage


def test_undoing_needs_manage_on_what_the_job_touched(client, time: Time):
    died("emails", "a")
    [cause] = client.get("/dead/causes").context["causes"]
    job = run(redriven(client, cause=cause.fingerprint))
    viewer = person(("emails", ["browse"]))
    assert "/undo" not in text(viewer.get(f"/jobs/{job.pk}"))
    assert viewer.post(f"/jobs/{job.pk}/undo").status_code == 403
    assert Job.objects.count() == 1


# Hostile text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_errors_and_places_stay_text(client, hostile, time: Time):
    kept = hostile.replace("\0", "")
    publish(declare("orders"), {"t": hostile}, key=kept, headers=json.dumps({kept: kept}))
    [id] = kill("orders", f"{kept} failed")
    [cause] = client.get("/dead/causes").context["causes"]
    for response in (
        client.get("/"),
        client.get("/dead/causes"),
        client.get(f"/jobs/plan?action=redrive&cause={cause.fingerprint}"),
        client.post("/jobs/plan", {"action": "redrive", "pick": f"queue:orders/{id}", "preview": "1"}),
        client.get("/dead/causes", {"in": hostile, "since": hostile}),
        client.get("/stuck", {"why": hostile}),
        client.get("/jobs/plan", {"action": hostile, "q": hostile, "in": hostile}),
    ):
        assert response.status_code in (200, 400)
        assert_nothing_runs(text(response))
        assert "\u202e" not in text(response)
