"""The page of causes."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.causes import reading
from brokerweb.console.causes.reading import CausesOf
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.templatetags.brokerweb_answers import highest


@page
def causes(request: SignedIn) -> HttpResponseBase:
    """Those with the most dead letters first."""
    asked = CausesOf.of(request.GET.dict())
    found = reading.listed(request.principal, asked)
    return render(
        request,
        "brokerweb_console/causes/list.html",
        filter=asked,
        causes=found,
        total=sum(cause.count for cause in found),
        most=highest([cause.hours for cause in found]),
        may_act=any(cause.may_manage for cause in found),
    )
