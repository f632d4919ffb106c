"""What the palette offers for what is typed."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.palette import finding


@page
def palette(request: SignedIn) -> HttpResponseBase:
    """At most ``finding.MOST`` rows, the likeliest first."""
    found = finding.found(request.principal, request.GET.get("q", ""), request.user.pk or 0)
    return render(request, "brokerweb_console/palette/found.html", parts=found)
