"""Tokens: make, list, revoke."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from brokerweb.core import cursors
from brokerweb.faces.http.responses import answer, no_content
from brokerweb.faces.rest import paging
from brokerweb.faces.rest.base import ApiView
from brokerweb.identity import tokens

LISTED = cursors.digest("tokens")


def create_token(view: ApiView) -> HttpResponse:
    made = tokens.create(view.principal, view.body(dict[str, Any]), address=view.address)
    return answer(made.as_json(), 201)


def list_tokens(view: ApiView) -> HttpResponse:
    query = view.query()
    most, found = paging.limit(query), tokens.listing(view.principal)
    if "after" in query:
        found = found.filter(pk__lt=cursors.unseal_id(query["after"], LISTED))
    page = list(found[: most + 1])
    more = cursors.seal(LISTED, str(page[most - 1].pk)) if len(page) > most else None
    return answer({"items": [tokens.as_json(token) for token in page[:most]], "next": more})


def revoke_token(view: ApiView, id: str) -> HttpResponse:
    view.query()
    tokens.revoke(view.principal, id, address=view.address)
    return no_content()
