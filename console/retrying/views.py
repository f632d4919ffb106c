"""The page of what is tried again."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame, listing
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.retrying import reading
from brokerweb.console.retrying.listing import LISTING


@page
@list_frame.opens_preferred
def retrying(request: SignedIn) -> HttpResponseBase:
    """The next first, until somebody sorts otherwise."""
    asked, retries = list_frame.asked(request, LISTING), reading.listed(request.principal)
    context = list_frame.context(request, asked, found=listing.page(retries.items, asked))
    shown = retries._replace(items=context["rows"])
    return render(request, "brokerweb_console/retrying/retrying.html", **context, retries=shown, of=len(retries.items))
