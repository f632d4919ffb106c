"""The list of jobs, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.filters import JobsOf
from brokerweb.console.jobs import reading
from brokerweb.console.page import SignedIn, page, render


@page
def jobs(request: SignedIn) -> HttpResponseBase:
    """The newest first."""
    asked = JobsOf.of(request.GET.dict())
    found = reading.listed(request.principal, asked)
    rows = [reading.shown(request.principal, job) for job in found.items]
    following = found.next and asked.page_after(found.next)
    return render(request, "brokerweb_console/jobs/list.html", filter=asked, rows=rows, next=following)


@page
def job(request: SignedIn, job_id: int) -> HttpResponseBase:
    """What it does, how far it is, how it ended."""
    found = reading.found(request.principal, job_id)
    return render(request, "brokerweb_console/jobs/job.html", **reading.whole(request.principal, found))
