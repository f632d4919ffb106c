"""Dead letters across queues, and putting many back."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.core.errors import Invalid
from brokerweb.jobs.models import Job
from console import dead_letters, reading, stream_reading
from console.deeds import deed, telling
from console.filters import DeadLetters
from console.page import SignedIn, form, page, render
from queues.states import DEAD_REASONS


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
    return render(request, "console/dead.html", **context)


@form
def redrive(request: SignedIn) -> HttpResponseBase:
    """First what would be moved; then, posted, moving it."""
    if request.method == "POST":
        return _redrive(request)
    targets = [q.name for q in reading.browsable(request.principal) if request.principal.may("publish", "queue", q.name)][:500]
    return render(request, "console/redrive.html", plan=dead_letters.plan(request.principal, request.GET), targets=targets)


def _redrive(request: SignedIn) -> HttpResponseBase:
    plan, to = dead_letters.plan(request.principal, request.POST), request.POST.get("to") or None
    if to:
        request.principal.require("publish", "queue", to)
    jobs: list[Job] = []
    with telling(request) as say:
        rate = _rate(request.POST.get("rate", ""))
        for part in plan.parts:
            deed(request, "queue.redrive", f"queue:{part.queue}", to=to, matched=part.matched).record()
        moved, jobs = plan.carry_out(to, rate=rate, by=request.principal.name)
        say(f"Redriven: {moved:,} message{'s' * (moved != 1)}." if moved or not jobs else _said(jobs))
    if len(jobs) == 1:
        return redirect("console:job", jobs[0].pk)
    return redirect("console:jobs" if jobs else "console:dead")


def _said(jobs: list[Job]) -> str:
    return f"Job{'s' * (len(jobs) > 1)} {', '.join(str(job.pk) for job in jobs)} will put them back."


def _rate(text: str) -> float | None:
    try:
        return float(text) if text.strip() else None
    except ValueError:
        raise Invalid.at("/rate", "a number of messages per second") from None
