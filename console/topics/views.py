"""The list of topics, and one of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponseBase

from brokerweb.console.acting import refusing
from brokerweb.console.filters import LIMIT, NameFilter
from brokerweb.console.frames import topic_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.rights import may_create, visible
from brokerweb.console.topics.forms import RouteForm
from brokerweb.routing import topics as routing
from brokerweb.storage.reading import read


@page
def topics(request: SignedIn) -> HttpResponseBase:
    """Topics by name."""
    asked, seen = NameFilter.of(request.GET.dict()), visible(request.principal, "topic")
    found = routing.list_topics(asked.prefix, after=asked.after or None, limit=LIMIT, visible=seen)
    rows, following = routing.describe(found.items), found.next and asked.page_after(found.next)
    may = may_create(request.principal, "topic")
    return render(request, "brokerweb_console/topics/list.html", filter=asked, rows=rows, next=following, may_create=may)


@page
def topic(request: SignedIn, name: str) -> HttpResponseBase:
    """What goes through it, where it leads, and the dry run of a message."""
    context, route = topic_frame(request, name), dict[str, Any]()
    asked = RouteForm(request.GET) if "routing_key" in request.GET else RouteForm()
    if asked.is_valid():
        with refusing(asked):
            route = read(routing.route, name, *asked.asked())
    return render(request, "brokerweb_console/topics/topic.html", **context, form=asked, route=route)
