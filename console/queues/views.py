"""The list of queues, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console import flows, holding, list_frame, listing, pictures, ranges
from brokerweb.console.frames import queue_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.queues import reading
from brokerweb.console.queues.listing import CONSUMERS, IN_FLIGHT, LISTING, SHOWN
from brokerweb.console.rights import may_create
from brokerweb.queues import browse


@page
@list_frame.opens_preferred
def queues(request: SignedIn) -> HttpResponseBase:
    """Queues, by name until somebody sorts otherwise."""
    over = ranges.of(request)
    asked, every = list_frame.asked(request, LISTING), reading.all_of(request.principal)
    sums = reading.sums(every)  # of figures that the rows are then sorted by
    context = list_frame.context(
        request,
        asked,
        lambda found: reading.shown(found, over if "lately" in asked.shows else None),
        found=list_frame.page_of(asked, reading.named(every, asked)),
    )
    context |= {"answer": "brokerweb_console/queues/_answer.html", "sums": sums}
    context |= {"range": over, "choices": SHOWN, "show": asked.get("show"), "may_create": may_create(request.principal)}
    return render(request, "brokerweb_console/queues/list.html", **context)


@page
def queue(request: SignedIn, name: str) -> HttpResponseBase:
    """Counts, flow and rules."""
    context, over = queue_frame(request, name), ranges.of(request)
    [row] = reading.rows([context["queue"]])
    context |= {"map": flows.drawn(request.principal, f"queue:{name}")}
    context |= {"chart": pictures.of_queue(context["queue"], over), "range": over}
    return render(request, "brokerweb_console/queues/queue.html", **context, row=row, states=list(row.counts.items()))


@page
@list_frame.opens_preferred
def consumers(request: SignedIn, name: str) -> HttpResponseBase:
    """Who subscribes, what each holds, and whether it gets on."""
    context = queue_frame(request, name)
    queue = context["queue"]
    asked, found = list_frame.asked(request, CONSUMERS, of=name), holding.consumers(queue)
    context |= list_frame.context(request, asked, found=listing.page(found, asked))
    counts = browse.counts([queue.pk])[queue.pk]
    context |= {"consumers": context["rows"], "counts": counts, "crowd": holding.Crowd.of(found)}
    return render(request, "brokerweb_console/queues/consumers.html", **context)


@page
@list_frame.opens_preferred
def in_flight(request: SignedIn, name: str) -> HttpResponseBase:
    """Who holds which message, since when, and for how long yet."""
    context, asked = queue_frame(request, name), list_frame.asked(request, IN_FLIGHT, of=name)
    context |= list_frame.framed(request, asked) | holding.page(
        context["queue"], asked, lambda m: reverse("brokerweb_console:message", args=[name, m.pk]), context["veil"]
    )
    return render(request, "brokerweb_console/queues/in_flight.html", **context)
