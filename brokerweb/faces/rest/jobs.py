"""Jobs: list, read, cancel; and the replay of a stream, which is one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from msgspec import Raw

from brokerweb.core.errors import NotFound
from brokerweb.core.names import parse_destination
from brokerweb.faces.codec import records
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity.principal import Principal
from brokerweb.jobs import control, replay_plan, replay_request, replaying
from brokerweb.jobs.models import Job
from brokerweb.jobs.replay_plan import ReplayPlan
from brokerweb.storage.reading import read


def may_see(principal: Principal, job: Job) -> bool:
    """Whoever may browse all that a job works on may see it."""
    return all(principal.may("browse", *parse_destination(touched)) for touched in job.touched)


def visible_job(principal: Principal, text: str) -> Job:
    """The job that a path names. Raises NotFound, also for one that the caller may not see."""
    job = control.get(control.parse_id(text))
    if not all(principal.holds_any(*parse_destination(touched)) for touched in job.touched):
        raise NotFound(f"There is no job {text}.")
    return job


def require(principal: Principal, verb: str, job: Job) -> None:
    """Raise Forbidden unless the verb is held on all that a job works on."""
    for touched in job.touched:
        principal.require(verb, *parse_destination(touched))


def list_jobs(view: ApiView) -> HttpResponse:
    query = view.query()
    if "target" in query:
        parse_destination(query["target"], "/target")
    page = control.listing(
        target=query.get("target"),
        after=query.get("after"),
        limit=paging.limit(query),
        visible=lambda job: may_see(view.principal, job),
    )
    return answer({"items": [control.seen_by(view.principal, job) for job in page.items], "next": page.next})


def read_job(view: ApiView, id: str) -> HttpResponse:
    view.query()
    job = visible_job(view.principal, id)
    require(view.principal, "browse", job)
    return answer(control.seen_by(view.principal, job))


def cancel_job(view: ApiView, id: str) -> HttpResponse:
    view.query()
    job = visible_job(view.principal, id)
    require(view.principal, "manage", job)
    detail = {"kind": job.kind, "target": job.target}
    cancelled = view.audited("job.cancel", f"job:{job.pk}", control.cancel, job.pk, detail=detail)
    return answer(control.seen_by(view.principal, cancelled))


def replay_stream(view: ApiView, s: str) -> HttpResponse:
    given = view.body(dict[str, Any])
    asked = replay_request.parse(given)
    view.principal.require("publish", *asked.destination())
    veil = replay_plan.allowed(view.principal, s, asked)
    if asked.dry_run:
        return answer(_planned(read(replay_plan.plan, s, asked).seen_by(view.principal, s, veil)))
    asked, total, looked = read(replay_plan.counted, s, asked)
    options = {"by": view.principal.name, "total": total, "looked": looked}
    made = view.audited("stream.replay", f"stream:{s}", replaying.create, s, asked, **options, detail={"to": asked.to})
    return answer({"job": control.as_json(made)}, 202)


def _planned(plan: ReplayPlan) -> dict[str, Any]:
    parts = [
        {"partition": p.partition, "from": str(p.begin), "to": str(p.until), "records": p.records, "exact": p.exact}
        for p in plan.parts
    ]
    samples = [Raw(records.encode_one(record)) for record in plan.samples]
    return {"partitions": parts, "records": plan.records, "exact": plan.exact, "samples": samples}
