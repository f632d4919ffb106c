"""Redacting a record."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import audited, deed, telling
from brokerweb.console.page import SignedIn, form
from brokerweb.console.records import confirm
from brokerweb.handout import redaction
from brokerweb.storage.reading import read


@form
def redact(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """Take away what one record holds, and its copies in shared groups."""
    request.principal.require("manage", "stream", name)
    if request.method != "POST":
        return confirm.redact(request, name, partition, offset)
    with telling(request, f"Record {partition}-{offset} is redacted."):
        known = read(redaction.look, name, partition, offset)
        done = deed(request, "record.redact", f"stream:{name}/{partition}/{offset}")
        audited(done, redaction.redact, name, (partition, offset), known, by=request.principal.name)
    return redirect("brokerweb_console:record", name, partition, offset)
