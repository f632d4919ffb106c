"""The audit trail: its filters stand in the address."""

from __future__ import annotations

from http import HTTPStatus

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.audit import reading
from brokerweb.console.audit.listing import LISTING
from brokerweb.console.page import SignedIn, page, render
from brokerweb.core.errors import Invalid


@page
@list_frame.opens_preferred
def audit(request: SignedIn) -> HttpResponseBase:
    """Who changed what, the newest first until somebody sorts otherwise."""
    request.principal.require_admin()
    asked = list_frame.asked(request, LISTING)
    try:
        context, status = list_frame.context(request, asked, lambda found: reading.rows(found, request.principal)), 200
    except Invalid as error:
        context, status = list_frame.framed(request, asked) | {"rows": [], "error": error}, error.http_status
    still = status != HTTPStatus.OK
    return render(request, "brokerweb_console/audit/list.html", status, **context, nouns=reading.NOUNS, still=still)
