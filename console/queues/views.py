"""The list of queues, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console import holding, snippets
from brokerweb.console.filters import InFlightOf, QueueFilter
from brokerweb.console.frames import queue_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.queues import reading
from brokerweb.console.rights import may_create
from brokerweb.queues import browse


@page
def queues(request: SignedIn) -> HttpResponseBase:
    """Queues by name."""
    asked = QueueFilter.of(request.GET.dict())
    rows, more = reading.listed(request.principal, asked)
    return render(
        request,
        "brokerweb_console/queues/list.html",
        filter=asked,
        rows=rows,
        next=asked.page_after(rows[-1].name) if more else None,
        may_create=may_create(request.principal),
    )


@page
def queue(request: SignedIn, name: str) -> HttpResponseBase:
    """Counts, flow, rules, and how to connect."""
    context = queue_frame(request, name)
    [row] = reading.rows([context["queue"]])
    host = snippets.Host.of(request)
    context |= {"publishing": snippets.publishing(host, name), "consuming": snippets.consuming(host, name)}
    return render(request, "brokerweb_console/queues/queue.html", **context, row=row, states=list(row.counts.items()))


@page
def consumers(request: SignedIn, name: str) -> HttpResponseBase:
    """Who subscribes, what each holds, and whether it gets on."""
    context = queue_frame(request, name)
    queue = context["queue"]
    counts, found = browse.counts([queue.pk])[queue.pk], holding.consumers(queue)
    return render(request, "brokerweb_console/queues/consumers.html", **context, consumers=found, counts=counts)


@page
def in_flight(request: SignedIn, name: str) -> HttpResponseBase:
    """Who holds which message, since when, and for how long yet."""
    context, asked = queue_frame(request, name), InFlightOf.of(request.GET.dict())
    context |= holding.page(context["queue"], asked, lambda m: reverse("brokerweb_console:message", args=[name, m.pk]))
    return render(request, "brokerweb_console/queues/in_flight.html", **context)
