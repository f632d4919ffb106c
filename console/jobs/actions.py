"""Cancelling a job."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import audited, deed, telling
from brokerweb.console.jobs import confirm, reading
from brokerweb.console.page import SignedIn, form
from brokerweb.core.errors import Forbidden
from brokerweb.jobs import control


@form
def cancel(request: SignedIn, job_id: int) -> HttpResponseBase:
    """It does nothing more; what it did stays."""
    found = reading.found(request.principal, job_id)
    if not reading.may(request.principal, "manage", found):
        raise Forbidden(f"manage on {found.target} is not among your grants")
    if request.method != "POST":
        return confirm.cancel(request, found)
    with telling(request, "Cancelled. What it has done stays."):
        audited(deed(request, "job.cancel", f"job:{job_id}", kind=found.kind, of=found.target), control.cancel, job_id)
    return redirect("brokerweb_console:job", job_id)
