"""Acts on many messages, what died of what, and what a job could not do, or takes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from brokerweb.answers import causes, plans
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView
from brokerweb.faces.rest.jobs import require, visible_job
from brokerweb.jobs import bulk_request, control, destinations, failures, operations, selecting, undoing
from brokerweb.jobs.destinations import Destination
from brokerweb.jobs.models import Job
from brokerweb.queues import browse
from brokerweb.storage.reading import read


def act_on_many(view: ApiView) -> HttpResponse:
    asked = bulk_request.parse(view.body(dict[str, Any]))
    if asked.dry_run:
        return answer(plans.as_json(plans.plan(view.principal, asked)))
    chosen = read(selecting.resolve, view.principal, asked)
    detail = {"queues": [each.label for each in chosen[:20]], "of": len(chosen), "to": asked.to, "first": asked.first}
    total = read(selecting.total, asked, chosen)
    target = chosen[0].label if len(chosen) == 1 else f"{len(chosen)} queues"
    made = view.audited(
        f"bulk.{asked.action}", target, operations.create, asked, chosen, by=view.principal.name, total=total, detail=detail
    )
    return answer({"job": control.as_json(made)}, 202)


def undo_job(view: ApiView, id: str) -> HttpResponse:
    job = visible_job(view.principal, id)
    require(view.principal, "manage", job)
    view.body(shapes.Nothing, empty=b"{}")
    made = view.audited("job.undo", f"job:{job.pk}", undoing.create, job.pk, by=view.principal.name, detail=_detail(job))
    return answer({"job": control.as_json(made)}, 202)


def _detail(job: Job) -> Mapping[str, Any]:
    return {"kind": job.kind, "target": job.target}


def list_failed(view: ApiView, id: str) -> HttpResponse:
    query = view.query()
    job = visible_job(view.principal, id)
    require(view.principal, "browse", job)
    page = failures.listing(job, after=query.get("after"), limit=paging.limit(query))
    return answer({"items": [failures.as_json(failed) for failed in page.items], "next": page.next})


# Causes


def list_causes(view: ApiView) -> HttpResponse:
    within = destinations.within(view.repeated("in"), "/in")
    query = view.query("since", "limit", "after")
    found = causes.groups(view.principal, within, paging.since(query), paging.limit(query), query.get("after"))
    return answer({"items": found.items, "next": found.next})


def list_causes_of_queue(view: ApiView, q: str) -> HttpResponse:
    query = view.query()
    queue = browse.find(q)
    where = Destination(queue.pk, "queue", queue.name, None)
    found = causes.groups_of(view.principal, where, paging.since(query), paging.limit(query), query.get("after"))
    return answer({"items": found.items, "next": found.next})
