"""The consumer groups of a stream, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame, pictures, ranges
from brokerweb.console.frames import stream_frame
from brokerweb.console.groups import reading
from brokerweb.console.groups.listing import LISTING
from brokerweb.console.groups.reading import group_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.storage.reading import read
from brokerweb.streams.group_settings import SHARED
from brokerweb.streams.groups import find_group


@page
@list_frame.opens_preferred
def groups(request: SignedIn, name: str) -> HttpResponseBase:
    """The groups, by name until somebody sorts otherwise, and how far behind each is."""
    context = stream_frame(request, name)
    asked = list_frame.asked(request, LISTING, of=name)
    context |= list_frame.context(request, asked, lambda found: reading.shown(name, found))
    return render(request, "brokerweb_console/groups/list.html", **context, groups=context["rows"])


@page
def group(request: SignedIn, name: str, group: str) -> HttpResponseBase:
    """Lag, members and what they hold, positions."""
    context, over = group_frame(request, name, group), ranges.of(request)
    context |= {"chart": pictures.of_group(name, read(find_group, name, group).id, over), "range": over}
    takers = reading.takers(name, group) if context["group"]["kind"] == SHARED else []
    return render(request, "brokerweb_console/groups/group.html", **context, takers=takers)
