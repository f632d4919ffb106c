"""Create, look at and cancel jobs; and what answers say of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from brokerweb.core import clock, cursors
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.jobs.models import OPEN, Job
from brokerweb.storage.transaction import Transaction

MIN_RATE, MAX_RATE = 0.001, 1_000_000  # items per second
MAX_ID = 2**63 - 1


@dataclass(frozen=True)
class NewJob:
    """What is to be done: ``target`` and ``to`` are destinations, ``cursor`` is where the first chunk begins."""

    kind: str
    target: str
    params: Mapping[str, Any]
    cursor: Mapping[str, Any] = field(default_factory=dict)
    to: str | None = None
    rate: float | None = None
    total: int | None = None


def create(tx: Transaction, new: NewJob, *, by: str) -> Job:
    """A job that waits for its first chunk. Raises Invalid for a rate out of range."""
    if new.rate is not None and not MIN_RATE <= new.rate <= MAX_RATE:
        raise Invalid.at("/rate", f"must be a number from {MIN_RATE} to {MAX_RATE}")
    tx.writes += 1
    made = Job.objects.create(
        kind=new.kind,
        target=new.target,
        to=new.to,
        params=dict(new.params),
        cursor=dict(new.cursor),
        total=new.total,
        rate=new.rate,
        created_by=by[:255],
        created_at=tx.wall,
        due_at=tx.now,
    )
    return Job.objects.get(pk=made.pk)


def cancel(tx: Transaction, job_id: int) -> Job:
    """The job does nothing more; what it did stays. Raises NotFound, and Conflict for one that is finished."""
    job = get(job_id)
    tx.writes += 1
    if not Job.objects.filter(pk=job.pk, state__in=OPEN).update(state="cancelled", finished_at=tx.wall):
        raise Conflict(f"Job {job_id} is finished: it is {job.state}.")
    return get(job_id)


def get(job_id: int) -> Job:
    """The job of that id. Raises NotFound."""
    job = Job.objects.filter(pk=job_id).first() if 0 < job_id <= MAX_ID else None
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def parse_id(text: str) -> int:
    """A job's id from a path. Raises NotFound for what can be none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 19):
        raise NotFound(f"There is no job {text[:20]}.")
    return int(text)


class JobPage(NamedTuple):
    """Some jobs, and the cursor of the page after; None when there is none."""

    items: Sequence[Job]
    next: str | None


def listing(
    *,
    target: str | None = None,
    after: str | None = None,
    limit: int = 50,
    visible: Callable[[Job], bool] = lambda _: True,
) -> JobPage:
    """Jobs, the newest first, perhaps those of one target only. Raises Invalid for a cursor of another list."""
    digest = cursors.digest("jobs", target)
    found = Job.objects.all() if after is None else Job.objects.filter(pk__lt=cursors.unseal_id(after, digest))
    if target is not None:
        found = found.filter(target=target)
    items: list[Job] = []
    for job in found.order_by("-id").iterator(chunk_size=200):
        if visible(job):
            if len(items) == limit:
                return JobPage(items, cursors.seal(digest, str(items[-1].pk)))
            items.append(job)
    return JobPage(items, None)


def as_json(job: Job) -> dict[str, Any]:
    """The job as answers show it. ``trimmed`` are those of ``failed`` that retention took before their turn."""
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "failed": job.failed,
        "trimmed": job.cursor.get("trimmed", 0),
        "rate": job.rate,
        "target": job.target,
        "to": job.to,
        "params": job.params,
        "error": job.error,
        "created_by": job.created_by,
        "created_at": _shown(job.created_at),
        "started_at": _shown(job.started_at),
        "finished_at": _shown(job.finished_at),
    }


def _shown(instant: datetime | None) -> str | None:
    return None if instant is None else clock.rfc3339(clock.from_datetime(instant))
