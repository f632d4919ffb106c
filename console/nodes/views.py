"""The list of nodes."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.nodes.listing import LISTING
from brokerweb.console.page import SignedIn, page, render


@page
@list_frame.opens_preferred
def nodes(request: SignedIn) -> HttpResponseBase:
    """Who serves, and how they get on."""
    request.principal.require_admin()
    context = list_frame.context(request, list_frame.asked(request, LISTING))
    silent = sum(node["state"] == "silent" for node in context["rows"])
    return render(request, "brokerweb_console/nodes/list.html", **context, nodes=context["rows"], silent=silent)
