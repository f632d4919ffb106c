"""Jobs: list, read, cancel; and the replay of a stream, which is one."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.core.errors import NotFound
from brokerweb.core.names import parse_destination
from brokerweb.faces.rest import job_shapes, paging
from brokerweb.faces.rest.base import ApiView, answer
from brokerweb.faces.rest.operations import ANYONE, Operation, Parameter, on_stream, operation
from brokerweb.identity.principal import Principal
from brokerweb.jobs import control, replay_request, replaying
from brokerweb.jobs.models import Job

TARGET = Parameter("target", {"type": "string"}, "only jobs on this `queue:NAME` or `stream:NAME`")


def may_see(principal: Principal, job: Job) -> bool:
    """Whoever may browse what a job works on may see it."""
    return principal.may("browse", *parse_destination(job.target))


def visible_job(principal: Principal, text: str) -> Job:
    """The job that a path names. Raises NotFound, also for one that the caller may not see."""
    job = control.get(control.parse_id(text))
    if not principal.holds_any(*parse_destination(job.target)):
        raise NotFound(f"There is no job {text}.")
    return job


class JobsView(ApiView):
    """``/jobs``."""

    @operation(
        Operation(
            "listJobs",
            ANYONE,
            "List jobs",
            {200: job_shapes.JobList},
            parameters=(TARGET, paging.LIMIT, paging.AFTER),
            description="The newest first; those on what you hold `browse` on.",
            tag="jobs",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("target", "limit", "after")
        if "target" in query:
            parse_destination(query["target"], "/target")
        page = control.listing(
            target=query.get("target"),
            after=query.get("after"),
            limit=paging.limit(query),
            visible=lambda job: may_see(self.principal, job),
        )
        return answer({"items": [control.as_json(job) for job in page.items], "next": page.next})


class JobView(ApiView):
    """``/jobs/{id}``."""

    @operation(
        Operation(
            "readJob",
            ANYONE,
            "Read a job",
            {200: job_shapes.Job},
            errors=("not_found",),
            description="With `browse` on what it works on.",
            tag="jobs",
        )
    )
    def get(self, request: Request, id: str) -> HttpResponse:
        self.query()
        job = visible_job(self.principal, id)
        self.principal.require("browse", *parse_destination(job.target))
        return answer(control.as_json(job))

    @operation(
        Operation(
            "cancelJob",
            ANYONE,
            "Cancel a job",
            {200: job_shapes.Job},
            errors=("not_found", "conflict"),
            description="With `manage` on what it works on. What it did stays; a finished one is 409.",
            tag="jobs",
        )
    )
    def delete(self, request: Request, id: str) -> HttpResponse:
        self.query()
        job = visible_job(self.principal, id)
        self.principal.require("manage", *parse_destination(job.target))
        detail = {"kind": job.kind, "target": job.target}
        return answer(control.as_json(self.audited("job.cancel", f"job:{job.pk}", control.cancel, job.pk, detail=detail)))


class ReplayView(ApiView):
    """``/streams/{s}/replay``."""

    @operation(
        Operation(
            "replayStream",
            on_stream("manage"),
            "Copy a range of records",
            {202: job_shapes.JobAnswer},
            request=job_shapes.ReplayRequest,
            errors=("not_found", "offset_out_of_range"),
            description="To a queue, a stream or a topic, on which it needs `publish`; as a job.",
            tag="jobs",
        )
    )
    def post(self, request: Request, s: str) -> HttpResponse:
        given = self.body(dict[str, Any])
        asked = replay_request.parse(given)
        self.principal.require("publish", *asked.destination())
        made = self.audited(
            "stream.replay", f"stream:{s}", replaying.create, s, asked, by=self.principal.name, detail={"to": asked.to}
        )
        return answer({"job": control.as_json(made)}, 202)
