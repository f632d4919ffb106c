"""Everything declared as one document: read, and made true."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.core.errors import Invalid
from brokerweb.definitions import document, importing
from brokerweb.faces.codec.json import decode
from brokerweb.faces.http.responses import answer
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.queues import limits


def read_definitions(view: ApiView) -> HttpResponse:
    query = view.query()
    return answer(document.everything(importing.only([query["only"]] if "only" in query else [])))


def put_definitions(view: ApiView) -> HttpResponse:
    query = view.query()
    content = view.request._request.body
    given: dict[str, Any] = decode(dict[str, Any], content)
    limits.check_depth(content)
    asked = given.pop("dry_run", False)
    if not isinstance(asked, bool):
        raise Invalid.at("/dry_run", "true or false")
    dry_run = asked or paging.boolean(query, "dry_run")
    steps = importing.plan(given, importing.only([query["only"]] if "only" in query else []))
    if not dry_run:
        steps = importing.apply(view.principal, steps, address=view.address)
    return answer(importing.as_json(steps, dry_run=dry_run))
