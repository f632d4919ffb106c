"""The list of streams, and one of them."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import snippets
from brokerweb.console.filters import NameFilter
from brokerweb.console.frames import stream_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.rights import may_create
from brokerweb.console.streams import reading
from brokerweb.storage.reading import read
from brokerweb.streams import group_objects

FIRST_GROUPS = 10  # on the stream's page; the others are on the tab of groups


@page
def streams(request: SignedIn) -> HttpResponseBase:
    """Streams by name."""
    asked = NameFilter.of(request.GET.dict())
    rows, cursor = reading.listed(request.principal, asked)
    following, may = asked.page_after(cursor) if cursor else None, may_create(request.principal, "stream")
    return render(request, "brokerweb_console/streams/list.html", filter=asked, rows=rows, next=following, may_create=may)


@page
def stream(request: SignedIn, name: str) -> HttpResponseBase:
    """Watermarks, size, flow, rules, and how to connect."""
    context = stream_frame(request, name)
    first = request.GET.get("from", "")
    shown, more = reading.partitions(context["stream"], int(first[:9]) if first.isdecimal() else 0)
    [row] = reading.rows([context["stream"]])
    groups = read(lambda reader: group_objects.list_groups(reader, name, limit=FIRST_GROUPS)).items
    host = snippets.Host.of(request)
    context |= {"appending": snippets.appending(host, name), "following": snippets.following(host, name)}
    context |= {"row": row, "partitions": shown, "more": more, "groups": groups}
    return render(request, "brokerweb_console/streams/stream.html", **context)
