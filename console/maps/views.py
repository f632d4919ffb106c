"""The page of the map."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import flows
from brokerweb.console.page import SignedIn, page, render


@page
def flow_map(request: SignedIn) -> HttpResponseBase:
    """All that the person may browse, or what is around one thing."""
    around = request.GET.get("around") or None
    drawn = flows.drawn(request.principal, around)
    return render(request, "brokerweb_console/maps/map.html", map=drawn, around=around)
