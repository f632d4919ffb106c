"""Jobs: the list, one with its progress, cancelling it."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import job_reading
from brokerweb.console.deeds import audited, deed, telling
from brokerweb.console.filters import JobsOf
from brokerweb.console.page import SignedIn, action, page, render
from brokerweb.core.errors import Forbidden
from brokerweb.jobs import control


@page
def jobs(request: SignedIn) -> HttpResponseBase:
    """The newest first."""
    asked = JobsOf.of(request.GET.dict())
    found = job_reading.listed(request.principal, asked)
    rows = [job_reading.shown(request.principal, job) for job in found.items]
    return render(
        request, "brokerweb_console/jobs/list.html", filter=asked, rows=rows, next=found.next and asked.page_after(found.next)
    )


@page
def job(request: SignedIn, job_id: int) -> HttpResponseBase:
    """What it does, how far it is, how it ended."""
    found = job_reading.found(request.principal, job_id)
    return render(request, "brokerweb_console/jobs/job.html", **job_reading.shown(request.principal, found))


@action
def cancel(request: SignedIn, job_id: int) -> HttpResponseBase:
    """It does nothing more; what it did stays."""
    found = job_reading.found(request.principal, job_id)
    if not job_reading.may(request.principal, "manage", found):
        raise Forbidden(f"manage on {found.target} is not among your grants")
    with telling(request, "Cancelled. What it has done stays."):
        audited(deed(request, "job.cancel", f"job:{job_id}", kind=found.kind, of=found.target), control.cancel, job_id)
    return redirect("brokerweb_console:job", job_id)
