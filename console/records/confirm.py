"""The page that says which record would be redacted."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.frames import crumbs
from brokerweb.console.page import SignedIn
from brokerweb.console.records import reading
from brokerweb.console.templatetags.brokerweb_console import moment


def redact(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponse:
    """Which record loses what it holds. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", name)
    found = reading.one(name, partition, offset)
    return confirmation(
        request,
        f"Redact record {partition}-{offset}",
        "Its body and headers are gone for good, and so are those of its copies in shared groups, dead letters among them, with "
        "their error texts. Its offset, key and times stay. Copies that a replay or a topic made are messages and records of "
        "their own.",
        facts=[("Appended", moment(found.record.appended_at))],
        button="Redact 1 record",
        crumbs=crumbs("stream", name),
        cancel=reverse("brokerweb_console:record", args=[name, partition, offset]),
    )
