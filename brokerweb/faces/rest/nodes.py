"""The nodes of the cluster."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.core import cursors
from brokerweb.delivery import nodes
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView

LISTED = cursors.digest("nodes")


def list_nodes(view: ApiView) -> HttpResponse:
    query = view.query()
    most, after = paging.limit(query), cursors.unseal(query["after"], LISTED) if "after" in query else ""
    there = [node for node in nodes.listed() if node["name"] > after]
    more = cursors.seal(LISTED, there[most - 1]["name"]) if len(there) > most else None
    return answer({"items": there[:most], "next": more})
