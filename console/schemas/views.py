"""The schemas, and the source of one as a file."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase

from brokerweb import schemas
from brokerweb.console import matching
from brokerweb.console.page import SignedIn, page, render
from brokerweb.identity.grants import parse_target


@page
def schema_list(request: SignedIn) -> HttpResponseBase:
    """All, by name, with what they hold for."""
    request.principal.require_admin()
    known, found = matching.there(), schemas.rows()
    rows = [(row, matching.matched(known, *parse_target(row.pattern, ""), ("queue", "stream"))) for row in found]
    return render(request, "brokerweb_console/schemas/list.html", rows=rows)


@page
def source(request: SignedIn, name: str) -> HttpResponseBase:
    """What was brought in, as it came."""
    request.principal.require_admin()
    row = schemas.find(name)
    ending = "avsc" if row.kind == schemas.AVRO else "binpb"
    headers = {"Content-Disposition": f'attachment; filename="{name}.{ending}"', "X-Content-Type-Options": "nosniff"}
    return HttpResponse(bytes(row.source), content_type="application/octet-stream", headers=headers)
