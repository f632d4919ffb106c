"""The page that says how far a job is that would be cancelled."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import number
from brokerweb.jobs.models import Job


def cancel(request: SignedIn, job: Job) -> HttpResponse:
    """What it has done, and what it leaves."""
    done = number(job.done) if job.total is None else f"{number(job.done)} of {number(job.total)}"
    place = reverse("brokerweb_console:job", args=[job.pk])
    return confirmation(
        request,
        f"Cancel {job.kind} {job.pk}",
        "It does nothing more, and cannot be resumed. What it has done stays.",
        facts=[("Done so far", done), ("Failed", number(job.failed))],
        button="Cancel the job",
        crumbs=[("Jobs", reverse("brokerweb_console:jobs")), (f"{job.kind} {job.pk}", place)],
        cancel=place,
        keep="Let it run",
    )
