"""Tokens: make, list, revoke."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.core import cursors
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import DELEGATE, Operation, operation
from brokerweb.identity import tokens

LISTED = cursors.digest("tokens")


class TokensView(ApiView):
    """``/tokens``."""

    @operation(
        Operation(
            "createToken",
            DELEGATE,
            "Make a token",
            {201: shapes.NewToken},
            request=shapes.TokenRequest,
            description="Its text is in this answer and nowhere else. It grants no more than its maker, and expires no later.",
            tag="administration",
        )
    )
    def post(self, request: Request) -> HttpResponse:
        made = tokens.create(self.principal, self.body(dict[str, Any]), address=request.META.get("REMOTE_ADDR"))
        return answer(made.as_json(), 201)

    @operation(
        Operation(
            "listTokens",
            DELEGATE,
            "List tokens",
            {200: shapes.TokenList},
            parameters=(paging.LIMIT, paging.AFTER),
            description="An administrator sees all, others those they made.",
            tag="administration",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("limit", "after")
        most, found = paging.limit(query), tokens.listing(self.principal)
        if "after" in query:
            found = found.filter(pk__lt=cursors.unseal_id(query["after"], LISTED))
        page = list(found[: most + 1])
        more = cursors.seal(LISTED, str(page[most - 1].pk)) if len(page) > most else None
        return answer({"items": [tokens.as_json(token) for token in page[:most]], "next": more})


class TokenView(ApiView):
    """``/tokens/{id}``."""

    @operation(Operation("revokeToken", DELEGATE, "Revoke a token", {204: None}, errors=("not_found",), tag="administration"))
    def delete(self, request: Request, id: str) -> HttpResponse:
        self.query()
        tokens.revoke(self.principal, id, address=request.META.get("REMOTE_ADDR"))
        return no_content()
