"""What pages show of jobs: those on what the person may browse, how far each is, and what it works on."""

from __future__ import annotations

import json
from itertools import islice
from typing import Any

from django.db.models import Q, QuerySet

from brokerweb.console.listing import Asked, Beyond
from brokerweb.core import clock
from brokerweb.core.errors import Forbidden, Invalid
from brokerweb.core.names import KINDS, NAME, parse_destination
from brokerweb.identity.principal import Principal
from brokerweb.jobs import control, failures
from brokerweb.jobs.models import OPEN, Job

RECENT, LATELY = 20, 86_400  # failed jobs that the overview looks at; seconds
NEWEST = 1_000  # jobs that are sorted by what they are and how far they came
NAMED, FAILED_SHOWN, LONGEST_ASKED = 10, 50, 20_000  # destinations, items, characters


def may(principal: Principal, verb: str, job: Job) -> bool:
    """Whether the person holds the verb on what the job works on."""
    try:
        return all(principal.may(verb, *parse_destination(touched)) for touched in job.touched)
    except Invalid:
        return principal.admin


def some(principal: Principal, asked: Asked, beyond: Beyond) -> list[Job]:
    """Jobs on what the person may browse, by their ids."""
    found = _asked_for(asked).order_by("id" if beyond.upwards else "-id")
    if beyond.id is not None:
        found = found.filter(pk__gt=beyond.id) if beyond.upwards else found.filter(pk__lt=beyond.id)
    seen = (job for job in found.iterator(chunk_size=200) if _suits(principal, job, asked))
    return list(islice(seen, beyond.limit))


def newest(principal: Principal, asked: Asked) -> list[Job]:
    """Those that are sorted by other columns than when they were made."""
    return [job for job in _asked_for(asked).order_by("-id")[:NEWEST] if _suits(principal, job, asked)]


def target_of(asked: Asked) -> str:
    """The destination that jobs are asked for of."""
    kind, _, name = asked.get("target").partition(":")
    return f"{kind}:{name}" if kind in KINDS and NAME.fullmatch(name) else ""


def _asked_for(asked: Asked) -> QuerySet[Job]:
    target, found = target_of(asked), Job.objects.all()
    return found.filter(Q(target=target) | Q(targets__contains=target)) if target else found


def _suits(principal: Principal, job: Job, asked: Asked) -> bool:
    target, part = target_of(asked), asked.q.lower()
    told = f"{job.kind} {job.pk} {job.state} {job.target} {job.to or ''} {job.created_by}".lower()
    return (not target or target in job.touched) and part in told and may(principal, "browse", job)


def found(principal: Principal, job_id: int) -> Job:
    """One job. Raises NotFound; Forbidden for one on what the person may not browse."""
    job = control.get(job_id)
    if not may(principal, "browse", job):
        raise Forbidden(f"browse on {job.target} is not among your grants")
    return job


def managed(principal: Principal, job_id: int) -> Job:
    """One job that the person may act on. Raises NotFound, Forbidden."""
    job = found(principal, job_id)
    if not may(principal, "manage", job):
        principal.require_changes()
        raise Forbidden(f"manage on {job.target} is not among your grants")
    return job


def shown(principal: Principal, job: Job) -> dict[str, Any]:
    """A job for a list or its page: share done, what it touches, whether it can be cancelled or undone."""
    come, total = control.progress(job)
    share = min(1.0, come / total) if total else None
    manages = may(principal, "manage", job)
    return {
        "job": job,
        "estimated": "estimated" in job.cursor,
        "share": 1.0 if job.state == "done" else share,
        "touched": job.touched[:NAMED],
        "others": len(job.touched) - 1,
        "untold": max(0, len(job.touched) - NAMED),
        "trimmed": job.cursor.get("trimmed", 0),
        "open": job.state in OPEN,
        "may_cancel": job.state in OPEN and manages,
    }


def whole(principal: Principal, job: Job) -> dict[str, Any]:
    """The same for its page, with what it could not do."""
    until = control.undo_until(job)
    undoable = until is not None and until >= clock.wall() and job.undone_by is None and bool(job.done)
    found = shown(principal, job)
    return found | {
        "params": _asked(principal, job),
        "eta": control.eta(job),
        "undo_until": clock.to_datetime(until) if undoable and until is not None else None,
        "may_undo": undoable and may(principal, "manage", job),
        "gone": job.cursor.get("gone", 0),
        "failed": failures.listing(job, limit=FAILED_SHOWN),
    }


def _asked(principal: Principal, job: Job) -> str:
    """Its parameters as text; what it is told of besides is left out."""
    told = {name: value for name, value in control.seen_by(principal, job)["params"].items() if value not in (None, "", {})}
    return json.dumps(told, indent=2, ensure_ascii=False)[:LONGEST_ASKED] if told else ""


def at_work(principal: Principal) -> int:
    """How many jobs have not ended."""
    return sum(may(principal, "browse", job) for job in Job.objects.filter(state__in=OPEN)[:NEWEST])


def failed(principal: Principal) -> list[Job]:
    """Jobs that failed lately, as a whole or for some of what they were to do."""
    now = clock.wall()
    lately = Job.objects.filter(finished_at__gt=now - clock.seconds(LATELY), finished_at__lt=now + clock.seconds(LATELY))
    newest = lately.filter(Q(state="failed") | Q(failed__gt=0)).order_by("-id")[:RECENT]
    return [job for job in newest if may(principal, "browse", job)]
