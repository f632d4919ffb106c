"""The list of jobs, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.jobs import reading
from brokerweb.console.jobs.listing import LISTING
from brokerweb.console.page import SignedIn, page, render


@page
@list_frame.opens_preferred
def jobs(request: SignedIn) -> HttpResponseBase:
    """The newest first, until somebody sorts otherwise."""
    asked = list_frame.asked(request, LISTING)
    context = list_frame.context(request, asked, lambda found: [reading.shown(request.principal, job) for job in found])
    context |= {"at_work": reading.at_work(request.principal), "failed": len(reading.failed(request.principal))}
    return render(request, "brokerweb_console/jobs/list.html", **context, target=reading.target_of(asked))


@page
def job(request: SignedIn, job_id: int) -> HttpResponseBase:
    """What it does, how far it is, how it ended."""
    found = reading.found(request.principal, job_id)
    return render(request, "brokerweb_console/jobs/job.html", **reading.whole(request.principal, found))
