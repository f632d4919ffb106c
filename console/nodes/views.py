"""The list of nodes."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import nodes as all_nodes

OFF = 1.0  # seconds from which a node's clock is said to be wrong


@page
def nodes(request: SignedIn) -> HttpResponseBase:
    """Who serves, and how they get on."""
    request.principal.require_admin()
    shown = [
        {
            **node,
            "started_at": instant(node["started_at"]),
            "seen_at": instant(node["seen_at"]),
            "off": abs(node["clock_difference"]) >= OFF,
        }
        for node in all_nodes.listed()
    ]
    return render(request, "brokerweb_console/nodes/list.html", nodes=shown)
