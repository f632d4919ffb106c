"""The records of a partition, and one of them, looked at without effect."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console.contents import attachment, shown
from brokerweb.console.filters import RecordsOf
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.records import reading
from brokerweb.core.errors import Invalid, OffsetOutOfRange


@page
def records(request: SignedIn, name: str) -> HttpResponseBase:
    """Up or down from a place."""
    context, asked = stream_frame(request, name), RecordsOf.of(request.GET.dict())
    try:
        found, error = reading.page(name, asked), None
    except (Invalid, OffsetOutOfRange) as wrong:
        found, error = None, wrong
    context |= {"filter": asked, "found": found, "error": error, "still": error is not None}
    return render(request, "brokerweb_console/records/list.html", error.http_status if error else 200, **context)


@page
def record(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """Body, headers, properties, and the way to its neighbours."""
    context = stream_frame(request, name) | {"partition": partition, "offset": offset}
    try:
        found = reading.one(name, partition, offset)
    except OffsetOutOfRange as error:
        return render(request, "brokerweb_console/records/gone.html", error.http_status, **context, error=error)
    context |= {"found": found, "download": reverse("brokerweb_console:record-body", args=[name, partition, offset])}
    return render(request, "brokerweb_console/records/record.html", **context, **shown(request, found.record))


@page
def body(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """The whole body as a file."""
    stream_frame(request, name)
    return attachment(reading.one(name, partition, offset).record, f"{name}-{partition}-{offset}")
