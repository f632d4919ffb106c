"""Dead letters across queues, and putting many back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import dead_letters, reading, stream_reading
from brokerweb.console.deeds import carried_out, deed
from brokerweb.console.filters import DeadLetters
from brokerweb.console.forms import RedriveForm
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.jobs.models import Job
from brokerweb.queues.states import DEAD_REASONS


@page
def dead(request: SignedIn) -> HttpResponseBase:
    """The newest first, by queue and reason."""
    asked = DeadLetters.of(request.GET.dict())
    having = reading.dead_by_queue(request.principal)
    items, last = dead_letters.page(request.principal, asked, [queue for queue, _ in having])
    context: dict[str, Any] = {
        "filter": asked,
        "items": items,
        "next": asked.page_before(last) if last else None,
        "chips": [{"name": queue.name, "count": n, "query": asked.in_queue(queue.name)} for queue, n in having],
        "total": sum(n for _, n in having),
        "may_redrive": any(request.principal.may("manage", "queue", q.name) for q, _ in having if asked.queue in ("", q.name)),
        "groups": stream_reading.with_dead(request.principal),
        "reasons": DEAD_REASONS,
    }
    return render(request, "brokerweb_console/dead_letters/list.html", **context)


@form
def redrive(request: SignedIn) -> HttpResponseBase:
    """First what would be moved; then, posted, moving it."""
    posted = request.method == "POST"
    plan = dead_letters.plan(request.principal, request.POST if posted else request.GET)
    targets = [q.name for q in reading.browsable(request.principal) if request.principal.may("publish", "queue", q.name)][:500]
    asked = RedriveForm(targets, request.POST if posted else None)
    jobs: list[Job] = []
    if carried_out(asked, lambda: jobs.extend(_redrive(request, plan, asked.cleaned_data))):
        return (
            redirect("brokerweb_console:job", jobs[0].pk)
            if len(jobs) == 1
            else redirect("brokerweb_console:jobs" if jobs else "brokerweb_console:dead")
        )
    return render(request, "brokerweb_console/dead_letters/redrive.html", 400 if asked.errors else 200, plan=plan, form=asked)


def _redrive(request: SignedIn, plan: dead_letters.Plan, asked: Mapping[str, Any]) -> list[Job]:
    to = asked["to"] or None
    if to:
        request.principal.require("publish", "queue", to)
    for part in plan.parts:
        deed(request, "queue.redrive", f"queue:{part.queue}", to=to, matched=part.matched).record()
    moved, jobs = plan.carry_out(to, rate=asked["rate"], by=request.principal.name)
    messages.success(request, f"Redriven: {moved:,} message{'s' * (moved != 1)}." if moved or not jobs else _said(jobs))
    return jobs


def _said(jobs: list[Job]) -> str:
    return f"Job{'s' * (len(jobs) > 1)} {', '.join(str(job.pk) for job in jobs)} will put them back."
