"""Create, look at and cancel jobs; and what answers say of one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Q

from brokerweb.cluster import marks
from brokerweb.core import clock, cursors
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.core.events import JOBS
from brokerweb.identity import masks
from brokerweb.identity.principal import Principal
from brokerweb.jobs.models import OPEN, Job
from brokerweb.storage.transaction import Transaction

MIN_RATE, MAX_RATE = 0.001, 1_000_000  # items per second
MAX_ID = 2**63 - 1
UNDOABLE = ("redrive", "move")
# What charts show of a job, of so many of its targets.
MARKED = {"redrive": "redrive of", "move": "move from", "purge": "purge of", "replay": "replay of", "undo": "undo in"}
TARGETS_MARKED = 20
BY_CONTENTS = ("q", "filter", "key", "select")  # parameters that may repeat what messages hold
UNDO_WITHIN = 15 * 60  # seconds after the end


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
    targets: Sequence[str] = ()  # where there are several
    query: str | None = None


def create(tx: Transaction, new: NewJob, *, by: str) -> Job:
    """A job that waits for its first chunk. Raises Invalid for a rate out of range."""
    if new.rate is not None and not MIN_RATE <= new.rate <= MAX_RATE:
        raise Invalid.at("/rate", f"must be a number from {MIN_RATE} to {MAX_RATE}")
    tx.writes += 1
    tx.outcome.lists |= {JOBS}
    made = Job.objects.create(
        kind=new.kind,
        target=new.target,
        targets="\n".join(several) if len(several := list(dict.fromkeys(new.targets))) > 1 else None,
        to=new.to,
        query=new.query,
        params=dict(new.params),
        cursor=dict(new.cursor),
        total=new.total,
        rate=new.rate,
        created_by=by[:255],
        created_at=tx.wall,
        due_at=tx.now,
    )
    if new.kind in MARKED:
        for target in (list(dict.fromkeys(new.targets)) or [new.target])[:TARGETS_MARKED]:
            marks.note(tx, new.kind, f"Job {made.pk}: {MARKED[new.kind]} {target.partition(':')[2]}", target, by=by)
    return Job.objects.get(pk=made.pk)


def cancel(tx: Transaction, job_id: int) -> Job:
    """The job does nothing more; what it did stays. Raises NotFound, and Conflict for one that is finished."""
    job = lock(job_id)
    tx.writes += 1
    tx.outcome.lists |= {JOBS}
    if not Job.objects.filter(pk=job.pk, state__in=OPEN).update(state="cancelled", finished_at=tx.wall):
        raise Conflict(f"Job {job_id} is finished: it is {job.state}.")
    return get(job_id)


def get(job_id: int) -> Job:
    """The job of that id. Raises NotFound."""
    job = Job.objects.filter(pk=job_id).first() if 0 < job_id <= MAX_ID else None
    if job is None:
        raise NotFound(f"There is no job {job_id}.")
    return job


def lock(job_id: int) -> Job:
    """The same, which nobody else changes until the commit: a chunk under way is waited for. Raises NotFound."""
    job = Job.objects.select_for_update().filter(pk=job_id).first() if 0 < job_id <= MAX_ID else None
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
        found = found.filter(Q(target=target) | Q(targets__contains=target))
    items: list[Job] = []
    for job in found.order_by("-id").iterator(chunk_size=200):
        if (target is None or target in job.touched) and visible(job):
            if len(items) == limit:
                return JobPage(items, cursors.seal(digest, str(items[-1].pk)))
            items.append(job)
    return JobPage(items, None)


def as_json(job: Job) -> dict[str, Any]:
    """The job as answers show it. ``trimmed`` are those of ``failed`` that retention took before their turn; ``estimated``: the
    total is one.
    """
    until = undo_until(job)
    return {
        "id": str(job.pk),
        "kind": job.kind,
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "estimated": "estimated" in job.cursor,
        "failed": job.failed,
        "trimmed": job.cursor.get("trimmed", 0),
        "rate": job.rate,
        "eta": eta(job),
        "target": job.target,
        "targets": job.touched,
        "to": job.to,
        "params": _params(job),
        "error": job.error,
        "created_by": job.created_by,
        "created_at": _shown(job.created_at),
        "started_at": _shown(job.started_at),
        "finished_at": _shown(job.finished_at),
        "undo_until_at": None if until is None else clock.rfc3339(until),
        "undone_by": None if job.undone_by is None else str(job.undone_by),
        "gone": job.cursor.get("gone", 0),
    }


def seen_by(principal: Principal, job: Job) -> dict[str, Any]:
    """The same for somebody who may not browse all that it works on, or from whom some of that is masked: by what it was
    chosen is then not told.
    """
    shown = as_json(job)
    places = [touched.partition("/")[0].split(":", 1) for touched in job.touched]
    if any(not principal.may("browse", *place) or masks.veil(principal, *place) for place in places):
        shown["params"] = {name: value for name, value in shown["params"].items() if name not in BY_CONTENTS}
    return shown


def _params(job: Job) -> dict[str, Any]:
    shown = {name: value for name, value in job.params.items() if name not in ("queues", "now")}
    return shown if job.query is None else shown | {"q": job.query}


def undo_until(job: Job) -> int | None:
    """Until when the job can be undone, as the wall names it; None for one that never can."""
    if job.kind not in UNDOABLE or "queues" not in job.params:
        return None
    return clock.from_datetime(job.finished_at or job.started_at or job.created_at) + clock.seconds(UNDO_WITHIN)


def eta(job: Job) -> float | None:
    """Seconds until it is done, as its rate or its pace until now has it; None where that cannot be told."""
    behind, total = progress(job)
    if job.state != "running" or total is None or job.started_at is None:
        return None
    left = max(0, total - behind)
    passed = (clock.to_wall(clock.now()) - clock.from_datetime(job.started_at)) / clock.SECOND
    pace = behind / passed if passed > 0 else 0.0
    if job.rate is not None:
        pace = job.rate
    return round(left / pace, 1) if pace > 0 else None


def progress(job: Job) -> tuple[int, int | None]:
    """How far it has come, and of how much: in items, of a replay with a filter in offsets that were looked at."""
    if job.kind == "replay" and job.params.get("filter"):
        begin, until, now = (
            sum(map(int, offsets.values())) for offsets in (job.params["from"], job.params["until"], job.cursor["next"])
        )
        return now - begin, until - begin
    return job.done + job.failed, job.total


def _shown(instant: datetime | None) -> str | None:
    return None if instant is None else clock.rfc3339(clock.from_datetime(instant))
