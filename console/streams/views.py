"""The list of streams, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import flows, list_frame, pictures, ranges
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.rights import may_create
from brokerweb.console.streams import reading
from brokerweb.console.streams.listing import LISTING
from brokerweb.console.volumes import positioned
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects

FIRST_GROUPS = 10  # on the stream's page; the others are on the tab of groups


@page
@list_frame.opens_preferred
def streams(request: SignedIn) -> HttpResponseBase:
    """Streams, by name until somebody sorts otherwise."""
    asked, over = list_frame.asked(request, LISTING), ranges.of(request)
    context = list_frame.context(request, asked, lambda found: reading.shown(found, over if "lately" in asked.shows else None))
    context |= {"answer": "brokerweb_console/streams/_answer.html", "sums": reading.sums(request.principal)}
    context |= {"range": over, "may_create": may_create(request.principal, "stream")}
    return render(request, "brokerweb_console/streams/list.html", **context)


@page
def stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Watermarks, size, flow and rules."""
    context, over = stream_frame(request, name), ranges.of(request)
    context |= {"chart": pictures.of_stream(context["stream"], over), "range": over}
    first = request.GET.get("from", "")
    shown, more = reading.partitions(context["stream"], int(first[:9]) if first.isdecimal() else 0)
    [row] = reading.rows([context["stream"]])
    context |= {"map": flows.drawn(request.principal, f"stream:{name}")}
    groups = read(lambda reader: group_objects.list_groups(reader, name, limit=FIRST_GROUPS)).items
    positioned(name, groups)
    context |= {"row": row, "partitions": shown, "more": more, "groups": groups, "left": reading.left(context["stream"])}
    return render(request, "brokerweb_console/streams/stream.html", **context)
