"""One record of a stream: looking at it, and downloading its body."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.urls import reverse

from brokerweb.console import bodies, records
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.views.stream import frame
from brokerweb.core.errors import OffsetOutOfRange


@page
def record(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """Body, headers, properties, and the way to its neighbours."""
    context = frame(request, name) | {"partition": partition, "offset": offset}
    try:
        found = records.one(name, partition, offset)
    except OffsetOutOfRange as error:
        return render(request, "brokerweb_console/records/gone.html", error.http_status, **context, error=error)
    download = reverse("brokerweb_console:record-body", args=[name, partition, offset])
    return render(
        request,
        "brokerweb_console/records/record.html",
        **context,
        **shown(request, found.record),
        found=found,
        download=download,
    )


def shown(request: SignedIn, message: Any) -> dict[str, Any]:
    """How a message's or record's body and headers are shown."""
    view = request.GET.get("view", "pretty")
    headers: dict[str, str] = json.loads(message.headers or "{}")
    body = bodies.show(bytes(message.body), view if view in bodies.VIEWS else "pretty")
    return {"message": message, "shown": body, "views": bodies.VIEWS, "headers": list(headers.items())}


@page
def body(request: SignedIn, name: str, partition: int, offset: int) -> HttpResponseBase:
    """The whole body as a file."""
    frame(request, name)
    return attachment(bytes(records.one(name, partition, offset).record.body), f"{name}-{partition}-{offset}")


def attachment(content: bytes, name: str) -> HttpResponse:
    """A body to be saved: never as something a browser would show or run."""
    response = HttpResponse(content, content_type="application/octet-stream")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Content-Type-Options"] = "nosniff"
    return response
