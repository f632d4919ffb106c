"""The list of live connections."""

from __future__ import annotations

from django.http import HttpResponseBase

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
            "unsettled": sum(sub.get("unsettled", 0) for sub in connection["subscriptions"]),
        }
        for connection in live.snapshot()
    ]
    shown.sort(key=lambda connection: (-connection["unsettled"], connection["id"]))
    return render(request, "brokerweb_console/connections/list.html", connections=shown[:MOST], total=len(shown))
