"""The page of what stands still."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.stuck import reading


@page
def stuck(request: SignedIn) -> HttpResponseBase:
    """The worst first, perhaps of one reason."""
    found, chosen = reading.listed(request.principal), request.GET.get("why", "")
    chips = reading.chips(found.items)
    return render(
        request,
        "brokerweb_console/stuck/stuck.html",
        chips=chips if len(chips) > 1 or chosen else [],
        chosen=chosen if chosen in reading.LABELS else "",
        items=[item for item in found.items if not chosen or item.code == chosen],
        total=found.total,
        more=found.total > len(found.items),
    )
