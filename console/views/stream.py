"""One stream: a view a tab."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import records, snippets, stream_reading
from brokerweb.console.deeds import audited, carried_out, deed
from brokerweb.console.filters import RecordsOf
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.rights import Rights
from brokerweb.console.stream_forms import RecordForm, StreamForm
from brokerweb.core.errors import Invalid, OffsetOutOfRange
from brokerweb.storage.run import perform
from brokerweb.streams import control, engine


@page
def stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Watermarks, size, flow, rules, and how to connect."""
    context = frame(request, name)
    first = request.GET.get("from", "")
    shown, more = stream_reading.partitions(context["stream"], int(first[:9]) if first.isdecimal() else 0)
    host = snippets.Host.of(request)
    context |= {"row": stream_reading.rows([context["stream"]])[0], "partitions": shown, "more": more}
    context |= {"appending": snippets.appending(host, name), "following": snippets.following(host, name)}
    return render(request, "brokerweb_console/streams/stream.html", **context, groups=stream_reading.groups(name, limit=10).items)


@page
def records_of(request: SignedIn, name: str) -> HttpResponseBase:
    """The records of a partition, looked at without effect."""
    context, asked = frame(request, name), RecordsOf.of(request.GET.dict())
    try:
        found, error = records.page(name, asked), None
    except (Invalid, OffsetOutOfRange) as wrong:
        found, error = None, wrong
    context |= {"filter": asked, "found": found, "error": error, "still": error is not None}
    return render(request, "brokerweb_console/records/list.html", error.http_status if error else 200, **context)


@form
def append(request: SignedIn, name: str) -> HttpResponseBase:
    """Append one record."""
    request.principal.require("publish", "stream", name)
    asked = RecordForm(request.POST) if request.method == "POST" else RecordForm(initial={"kind": "json", "body": "{}"})
    if carried_out(asked, lambda: _append(request, name, asked)):
        return redirect("brokerweb_console:append", name)
    return render(
        request, "brokerweb_console/records/append.html", 400 if asked.errors else 200, **frame(request, name), form=asked
    )


def _append(request: SignedIn, name: str, asked: RecordForm) -> None:
    [stored] = perform(engine.append, name, [asked.record()], publisher=request.principal.name)
    said = "A duplicate of" if stored.duplicate else "Stored as"
    messages.success(request, f"{said} offset {stored.offset} of partition {stored.partition}.")


@form
def settings(request: SignedIn, name: str) -> HttpResponseBase:
    """The settings, and changing them."""
    context = frame(request, name)
    present = StreamForm.of(context["stream"])
    asked = StreamForm(request.POST) if request.method == "POST" else present
    if asked.is_bound:
        request.principal.require("manage", "stream", name)
    if carried_out(asked, lambda: _change(request, name, asked, present)):
        messages.success(request, "Settings saved.")
        return redirect("brokerweb_console:stream-settings", name)
    return render(request, "brokerweb_console/streams/settings.html", 400 if asked.errors else 200, **context, form=asked)


def _change(request: SignedIn, name: str, asked: StreamForm, present: StreamForm) -> None:
    asked.check_seen(present)
    change = asked.settings()
    audited(deed(request, "stream.declare", f"stream:{name}", **change), control.declare, name, change, create=False)


@page
def groups(request: SignedIn, name: str) -> HttpResponseBase:
    """The consumer groups, and how far behind each is."""
    context, after = frame(request, name), request.GET.get("after", "")
    found = stream_reading.groups(name, after=after or None)
    return render(request, "brokerweb_console/groups/list.html", **context, groups=found.items, next=found.next, after=after)


def frame(request: SignedIn, name: str) -> dict[str, Any]:
    """What every tab needs. Raises Forbidden before NotFound."""
    request.principal.require("browse", "stream", name)
    return {"stream": control.get(name), "rights": Rights(request.principal, name, "stream")}
