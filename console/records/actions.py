"""Appending a record, and redacting one."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import audited, deed, refusing, telling
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.console.records import confirm
from brokerweb.console.records.forms import RecordForm
from brokerweb.handout import redaction
from brokerweb.storage.reading import read
from brokerweb.storage.run import perform
from brokerweb.streams import engine


@form
def append(request: SignedIn, name: str) -> HttpResponseBase:
    """Append one record."""
    request.principal.require("publish", "stream", name)
    asked = RecordForm(request.POST) if request.method == "POST" else RecordForm(initial={"kind": "json", "body": "{}"})
    if asked.is_valid():
        with refusing(asked):
            [stored] = perform(engine.append, name, [asked.record()], publisher=request.principal.name)
            said = "A duplicate of" if stored.duplicate else "Stored as"
            messages.success(request, f"{said} offset {stored.offset} of partition {stored.partition}.")
            return redirect("brokerweb_console:append", name)
    return render_form(request, "brokerweb_console/records/append.html", asked, **stream_frame(request, name))


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
