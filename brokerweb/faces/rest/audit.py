"""The audit trail: who changed what."""

from __future__ import annotations

from django.http import HttpResponse

from brokerweb.core import cursors
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity import trail


def list_audit(view: ApiView) -> HttpResponse:
    query = view.query("who", "action", "target", "since", "limit", "after")
    who, action, target = (query.get(name, "") for name in ("who", "action", "target"))
    asked, most = trail.Asked(who, action, target, paging.since(query)), paging.limit(query)
    found, of = trail.listing(asked), cursors.digest("audit", *asked)
    if "after" in query:
        found = found.filter(pk__lt=cursors.unseal_id(query["after"], of))
    page = list(found[: most + 1])
    more = cursors.seal(of, str(page[most - 1].pk)) if len(page) > most else None
    return answer({"items": [trail.as_json(entry) for entry in page[:most]], "next": more})
