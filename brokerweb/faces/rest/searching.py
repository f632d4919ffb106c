"""What goes with search: suggestions; the export is ``faces.export``, and search itself is hot."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.answers.search.suggestions import suggest
from brokerweb.core.errors import Unavailable
from brokerweb.faces.codec.query import Query
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView


def suggest_conditions(view: ApiView) -> HttpResponse:
    query = Query(view.request.META.get("QUERY_STRING", ""), ("in", "prefix"), ("in",))
    found = suggest(view.principal, query.texts("in"), query.text("prefix") or "")
    return answer(paging.whole(suggestion._asdict() for suggestion in found))


def export_found(view: ApiView) -> HttpResponse:
    raise Unavailable("Exports are served by brokerweb.asgi, which does not serve this project.")
