"""Names for a field, as the options of its list."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.utils.html import format_html_join

from brokerweb.console import zones as known
from brokerweb.console.choosing import offered
from brokerweb.console.page import SignedIn, page
from brokerweb.core.names import KINDS


@page
def destinations(request: SignedIn) -> HttpResponseBase:
    """Where the person may publish to, for what is typed in the field ``to``."""
    kinds = [kind for kind in request.GET.getlist("kind") if kind in KINDS]
    names = offered(request.principal, kinds, request.GET.get("to", ""))
    return HttpResponse(format_html_join("", '<option value="{}"></option>', ((name,) for name in names)))


@page
def zones(request: SignedIn) -> HttpResponseBase:
    """The zones that instants can be shown in."""
    return HttpResponse(format_html_join("", '<option value="{}"></option>', ((name,) for name in known.names())))
