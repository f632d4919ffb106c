"""The list of topics, and one of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from brokerweb.console import flows, list_frame
from brokerweb.console.acting import refusing
from brokerweb.console.frames import topic_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.rights import may_create
from brokerweb.console.topics import reading
from brokerweb.console.topics.forms import RouteForm
from brokerweb.console.topics.listing import LISTING
from brokerweb.routing import topics as routing
from brokerweb.storage.reading import read


@page
@list_frame.opens_preferred
def topics(request: SignedIn) -> HttpResponseBase:
    """Topics, by name until somebody sorts otherwise."""
    context = list_frame.context(request, list_frame.asked(request, LISTING), reading.shown)
    context |= {"answer": "brokerweb_console/topics/_answer.html", "sums": reading.sums(request.principal)}
    context |= {"may_create": may_create(request.principal, "topic")}
    return render(request, "brokerweb_console/topics/list.html", **context)


@page
def topic(request: SignedIn, name: str) -> HttpResponseBase:
    """What goes through it, where it leads, and the dry run of a message."""
    context, route = topic_frame(request, name), dict[str, Any]()
    context |= {"map": flows.drawn(request.principal, f"topic:{name}")}
    asked = RouteForm(request.GET) if "routing_key" in request.GET else RouteForm()
    if asked.is_valid():
        with refusing(asked):
            route = read(routing.route, name, *asked.asked())
    return render(request, "brokerweb_console/topics/topic.html", **context, form=asked, route=route)
