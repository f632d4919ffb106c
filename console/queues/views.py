"""The list of queues, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import snippets
from brokerweb.console.filters import QueueFilter
from brokerweb.console.frames import queue_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.queues import reading
from brokerweb.console.rights import may_create
from brokerweb.console.templatetags.brokerweb_console import instant
from brokerweb.delivery import connections
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
    """Who subscribes, and what each holds."""
    context = queue_frame(request, name)
    subscribed = [
        {**connection, **sub, "connected_at": instant(connection["connected_at"])}
        for connection in connections.snapshot()
        for sub in connection["subscriptions"]
        if sub.get("queue") == name
    ]
    counts = browse.counts([context["queue"].pk])[context["queue"].pk]
    return render(request, "brokerweb_console/queues/consumers.html", **context, consumers=subscribed, counts=counts)
