"""Live connections: who is there, and closing one."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.core import cursors
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView

LISTED = cursors.digest("connections")


def list_connections(view: ApiView) -> HttpResponse:
    query = view.query()
    most, after = paging.limit(query), cursors.unseal(query["after"], LISTED) if "after" in query else ""
    there = connections.page(after, most + 1)
    more = cursors.seal(LISTED, there[most - 1]["id"]) if len(there) > most else None
    return answer({"items": there[:most], "next": more})


def close_connection(view: ApiView, id: str) -> HttpResponse:
    view.query()
    if not connections.close(id):
        raise NotFound("There is no such connection.")
    view.entry("connection.close", f"connection:{id}").record()
    return no_content()
