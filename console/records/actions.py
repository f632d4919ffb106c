"""Appending a record."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console.acting import refusing
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, form, render_form
from brokerweb.console.records.forms import RecordForm
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
