"""The list of people."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.users.listing import LISTING, SHOWN


@page
@list_frame.opens_preferred
def users(request: SignedIn) -> HttpResponseBase:
    """Everybody who may come in, by name until somebody sorts otherwise."""
    request.principal.require_admin()
    asked = list_frame.asked(request, LISTING)
    context = list_frame.context(request, asked) | {"choices": SHOWN, "show": asked.get("show")}
    return render(request, "brokerweb_console/users/list.html", **context)
