"""Where messages go, of what the caller may browse."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.answers import topology
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView


def read_topology(view: ApiView) -> HttpResponse:
    query = view.query()
    most = paging.limit(query) if "limit" in query else topology.LIMIT
    return answer(topology.topology(view.principal, query.get("around"), most).as_json())
