"""The list of live connections."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.cluster import here
from brokerweb.console import list_frame
from brokerweb.console.connections.listing import LISTING, MOST
from brokerweb.console.page import SignedIn, page, render
from brokerweb.delivery import connections as live


@page
@list_frame.opens_preferred
def connections(request: SignedIn) -> HttpResponseBase:
    """Who is connected, and what they hold: the busiest first until somebody sorts otherwise."""
    request.principal.require_admin()
    context = list_frame.context(request, list_frame.asked(request, LISTING))
    shown, total = context["rows"], live.total()
    nodes = here.shared() and len({connection["node"] for connection in shown}) > 1
    context |= {
        "connections": shown,
        "total": max(len(shown), total),
        "most": MOST,
        "unsettled": sum(row["unsettled"] for row in shown),
        "nodes": nodes,
    }
    return render(request, "brokerweb_console/connections/list.html", **context)
