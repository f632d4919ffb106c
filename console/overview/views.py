"""The overview."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.overview.attention import findings
from brokerweb.console.overview.first_steps import first_steps
from brokerweb.console.overview.totals import totals
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.queues import reading as queues
from brokerweb.console.rights import browsable_queues, browsable_streams, may_create
from brokerweb.console.streams.reading import appended, busiest

BUSIEST, FEW_STREAMS = 8, 5
AGES = 50  # queues whose oldest age is read: the longest ones


@page
def overview(request: SignedIn) -> HttpResponseBase:
    """What is going on, what needs a look, and the first steps of who is new."""
    rows, streams = queues.rows(browsable_queues(request.principal), ages=AGES), browsable_streams(request.principal)
    return render(
        request,
        "brokerweb_console/overview/overview.html",
        seen=totals(rows),
        findings=findings(request.principal),
        streams=len(streams),
        appended=sum(map(appended, streams)),
        busiest_streams=busiest(streams, FEW_STREAMS),
        busiest=sorted(rows, key=lambda row: (-sum(row.counts.values()), -sum(row.rates.values()), row.name))[:BUSIEST],
        steps=first_steps(request, rows),
        may_create=may_create(request.principal),
    )
