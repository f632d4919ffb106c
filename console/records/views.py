"""The records of a partition, and one of them, looked at without effect."""

from __future__ import annotations

from dataclasses import replace

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console import list_frame, volumes
from brokerweb.console.contents import attachment, shown
from brokerweb.console.filters import RecordsOf
from brokerweb.console.frames import stream_frame
from brokerweb.console.listing import arranged
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.records import reading
from brokerweb.console.records.listing import LISTING
from brokerweb.console.tails import watching
from brokerweb.console.volumes import Spans
from brokerweb.core.errors import Invalid, OffsetOutOfRange


@page
@list_frame.opens_preferred
def records(request: SignedIn, name: str) -> HttpResponseBase:
    """Up or down from a place."""
    context, asked = stream_frame(request, name), RecordsOf.of(request.GET.dict())
    wanted = list_frame.asked(request, LISTING, of=name)
    try:
        found, error = reading.page(name, asked), None
    except (Invalid, OffsetOutOfRange) as wrong:
        found, error = None, wrong
    spans = Spans.of(request.GET.dict())
    if found is not None:
        wanted = reading.pinned(wanted, asked, found)
        found = replace(found, items=arranged(context["veil"].over_all(found.items), wanted))
    context |= list_frame.framed(request, wanted) | {"filter": asked, "found": found, "error": error, "still": error is not None}
    context |= {"histogram": volumes.of_partition(name, found.partition.number, spans) if found else None, "spans": spans}
    return render(request, "brokerweb_console/records/list.html", error.http_status if error else 200, **context)


@page
def live(request: SignedIn, name: str) -> HttpResponseBase:
    """What is appended, as it comes."""
    context = stream_frame(request, name) | watching(request, "stream", name)
    return render(request, "brokerweb_console/records/live.html", 400 if "fault" in context else 200, **context)


@page
def record(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """Body, headers, properties, and the way to its neighbours."""
    context = stream_frame(request, name) | {"partition": partition, "offset": offset}
    try:
        found = reading.one(name, partition, offset)
    except OffsetOutOfRange as error:
        return render(request, "brokerweb_console/records/gone.html", error.http_status, **context, error=error)
    context |= {"readers": reading.readers(context["stream"].pk, found.partition.id, offset)}
    context |= {"found": found, "download": reverse("brokerweb_console:record-body", args=[name, partition, offset])}
    context |= shown(request, found.record, context["veil"], ("stream", name))
    return render(request, "brokerweb_console/records/record.html", **context)


@page
def body(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """The whole body as a file."""
    veil = stream_frame(request, name)["veil"]
    return attachment(reading.one(name, partition, offset).record, f"{name}-{partition}-{offset}", veil)
