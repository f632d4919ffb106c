"""The overview, and what people set for themselves."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import reading, stream_reading
from brokerweb.console.attention import findings
from brokerweb.console.page import THEMES, SignedIn, action, back, page, render
from brokerweb.console.rights import may_create
from brokerweb.console.steps import HIDDEN, first_steps

YEAR = 365 * 86_400
BUSIEST, FEW_STREAMS = 8, 5
AGES = 50  # queues whose oldest age is read: the longest ones


@page
def overview(request: SignedIn) -> HttpResponseBase:
    """What is going on, what needs a look, and the first steps of who is new."""
    rows, streams = reading.rows(reading.browsable(request.principal), ages=AGES), stream_reading.browsable(request.principal)
    return render(
        request,
        "brokerweb_console/overview/overview.html",
        seen=reading.totals(rows),
        findings=findings(request.principal, rows),
        streams=len(streams),
        appended=sum(map(stream_reading.appended, streams)),
        busiest_streams=stream_reading.busiest(streams, FEW_STREAMS),
        busiest=sorted(rows, key=lambda row: (-sum(row.counts.values()), -sum(row.rates.values()), row.name))[:BUSIEST],
        steps=first_steps(request, rows),
        may_create=may_create(request.principal),
    )


@action
def theme(request: SignedIn) -> HttpResponseBase:
    """Choose light, dark, or what the system says."""
    chosen = request.POST.get("theme", "")
    response = back(request, "brokerweb_console:overview")
    if chosen in THEMES:
        _remember(request, response, "console_theme", chosen)
    return response


@action
def hide_steps(request: SignedIn) -> HttpResponseBase:
    """No first steps any more in this browser."""
    response = redirect("brokerweb_console:overview")
    _remember(request, response, HIDDEN, "hidden")
    return response


def _remember(request: SignedIn, response: HttpResponse, name: str, value: str) -> None:
    response.set_cookie(name, value, max_age=YEAR, httponly=True, samesite="Lax", secure=request.is_secure())
