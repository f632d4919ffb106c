"""The page that answers what somebody may do; the question stands in the address."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.access.reading import answered
from brokerweb.console.page import SignedIn, page, render


@page
def access(request: SignedIn) -> HttpResponseBase:
    """Who, which verb, where: yes or no."""
    request.principal.require_admin()
    found = answered(request.GET)
    return render(request, "brokerweb_console/access/access.html", 400 if found["wrong"] else 200, **found)
