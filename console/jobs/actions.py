"""Cancelling a job, and taking back what one did."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import audited, deed, telling
from brokerweb.console.jobs import confirm, reading
from brokerweb.console.page import SignedIn, action, form
from brokerweb.jobs import control, undoing
from brokerweb.jobs.models import Job


@form
def cancel(request: SignedIn, job_id: int) -> HttpResponseBase:
    """It does nothing more; what it did stays."""
    found = reading.managed(request.principal, job_id)
    if request.method != "POST":
        return confirm.cancel(request, found)
    with telling(request, "Cancelled. What it has done stays."):
        audited(deed(request, "job.cancel", f"job:{job_id}", kind=found.kind, of=found.target), control.cancel, job_id)
    return redirect("brokerweb_console:job", job_id)


@action
def undo(request: SignedIn, job_id: int) -> HttpResponseBase:
    """What a redrive or move put elsewhere returns, where nobody was handed it since: a job of its own."""
    found = reading.managed(request.principal, job_id)
    with telling(request) as say:
        done = deed(request, "job.undo", f"job:{job_id}", kind=found.kind, of=found.target)
        made: Job = audited(done, undoing.create, job_id, by=request.principal.name)
        say(f"Job {made.pk} takes it back.")
        return redirect("brokerweb_console:job", made.pk)
    return redirect("brokerweb_console:job", job_id)
