"""The page of causes."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame, listing
from brokerweb.console.causes.listing import LISTING, rows
from brokerweb.console.causes.reading import CausesOf
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.templatetags.brokerweb_answers import highest


@page
@list_frame.opens_preferred
def causes(request: SignedIn) -> HttpResponseBase:
    """Those with the most dead letters first, until somebody sorts otherwise."""
    asked = list_frame.asked(request, LISTING)
    every = rows(request.principal, asked)
    context = list_frame.context(request, asked, found=listing.page(every, asked))
    found = context["rows"]
    context |= {
        "wanted": CausesOf.of(request.GET.dict()),
        "causes": found,
        "total": sum(cause.count for cause in every),
        "number": len(every),
        "most": highest([cause.hours for cause in found]),
        "may_act": any(cause.may_manage for cause in found),
    }
    return render(request, "brokerweb_console/causes/list.html", **context)
