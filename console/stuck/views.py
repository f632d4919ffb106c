"""The page of what stands still."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame, listing
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.stuck import reading
from brokerweb.console.stuck.listing import LISTING


@page
@list_frame.opens_preferred
def stuck(request: SignedIn) -> HttpResponseBase:
    """The worst first until somebody sorts otherwise, perhaps of one reason."""
    found, asked = reading.listed(request.principal), list_frame.asked(request, LISTING)
    chips, chosen = reading.chips(found.items), asked.get("why")
    return render(
        request,
        "brokerweb_console/stuck/stuck.html",
        **list_frame.context(request, asked, found=listing.page(found.items, asked)),
        chips=[(chip, asked.query(why=chip.code)) for chip in chips] if len(chips) > 1 or chosen else [],
        all_reasons=asked.query(why=""),
        chosen=chosen if chosen in reading.LABELS else "",
        there=bool(found.items),
        total=found.total,
        held=found.held,
        oldest_at=found.oldest_at,
        more=found.total > len(found.items),
    )
