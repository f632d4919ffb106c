"""The consumer groups of a stream, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.frames import stream_frame
from brokerweb.console.groups import reading
from brokerweb.console.groups.reading import group_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.streams.group_settings import SHARED


@page
def groups(request: SignedIn, name: str) -> HttpResponseBase:
    """The groups by name, and how far behind each is."""
    context, after = stream_frame(request, name), request.GET.get("after", "")
    found = reading.listed(name, after or None)
    return render(request, "brokerweb_console/groups/list.html", **context, groups=found.items, next=found.next, after=after)


@page
def group(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Lag, members and what they hold, positions."""
    context = group_frame(request, name, group)
    takers = reading.takers(name, group) if context["group"]["kind"] == SHARED else []
    return render(request, "brokerweb_console/groups/group.html", **context, takers=takers)
