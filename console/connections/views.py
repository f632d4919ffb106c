"""The list of live connections."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.cluster import here
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import connections as live

MOST = 500


@page
def connections(request: SignedIn) -> HttpResponseBase:
    """Who is connected, and what they hold: the busiest first."""
    request.principal.require_admin()
    shown = [
        {
            **connection,
            "connected_at": instant(connection["connected_at"]),
            "unsettled": live.held(connection),
        }
        for connection in live.busiest(MOST)
    ]
    nodes = here.shared() and len({connection["node"] for connection in shown}) > 1
    total = max(len(shown), live.total())
    return render(request, "brokerweb_console/connections/list.html", connections=shown, total=total, nodes=nodes)
