"""The list of API tokens."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.filters import LIMIT
from brokerweb.console.page import SignedIn, page, render
from brokerweb.identity import tokens as identity


@page
def tokens(request: SignedIn) -> HttpResponseBase:
    """Those the person may see, newest first."""
    after = request.GET.get("after", "")
    listing = identity.listing(request.principal)
    if after.isascii() and after.isdigit() and len(after) < 19:
        listing = listing.filter(pk__lt=int(after))
    found = list(listing[: LIMIT + 1])
    more = found[LIMIT - 1].pk if len(found) > LIMIT else None
    return render(request, "brokerweb_console/tokens/list.html", tokens=found[:LIMIT], next=more, after=after)
