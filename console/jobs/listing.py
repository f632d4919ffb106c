"""The list of jobs."""

from __future__ import annotations

from brokerweb.console.jobs import reading
from brokerweb.console.listing import Column, Listing
from brokerweb.jobs.models import Job

LISTING = Listing[Job](
    "jobs",
    [
        Column("job", "Job", lambda job: f"{job.kind} {job.pk}", fixed=True),
        Column("state", "State", lambda job: job.state, live=True),
        Column("target", "Of, and to", lambda job: job.target, style="mid"),
        Column("done", "Done", lambda job: job.done, style="n", live=True),
        Column("failed", "Failed", lambda job: job.failed, style="n wide", live=True),
        Column("by", "By", lambda job: job.created_by, style="wide"),
        Column("created", "Created", lambda job: job.created_at, style="wide", zoned=True),
    ],
    identity=lambda job: str(job.pk),
    rows=reading.newest,
    sort="-created",
    filters=("target",),
    by_id="created",
    some=reading.some,
    newest=reading.NEWEST,
)
