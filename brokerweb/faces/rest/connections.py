"""Live connections: who is there, and closing one."""

from __future__ import annotations

from django.http import HttpResponse
from rest_framework.request import Request

from brokerweb.core import cursors
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections
from brokerweb.faces.rest import paging, shapes
from brokerweb.faces.rest.base import ApiView, answer, no_content
from brokerweb.faces.rest.operations import ADMIN, Operation, operation

LISTED = cursors.digest("connections")


class ConnectionsView(ApiView):
    """``/connections``."""

    @operation(
        Operation(
            "listConnections",
            ADMIN,
            "List live connections",
            {200: shapes.ConnectionList},
            parameters=(paging.LIMIT, paging.AFTER),
            tag="administration",
        )
    )
    def get(self, request: Request) -> HttpResponse:
        query = self.query("limit", "after")
        most, after = paging.limit(query), cursors.unseal(query["after"], LISTED) if "after" in query else ""
        there = sorted((item for item in connections.snapshot() if item["id"] > after), key=lambda item: str(item["id"]))
        more = cursors.seal(LISTED, there[most - 1]["id"]) if len(there) > most else None
        return answer({"items": there[:most], "next": more})


class ConnectionView(ApiView):
    """``/connections/{id}``."""

    @operation(
        Operation(
            "closeConnection",
            ADMIN,
            "Close a connection",
            {204: None},
            errors=("not_found",),
            description="The WebSocket is closed with 4009.",
            tag="administration",
        )
    )
    def delete(self, request: Request, id: str) -> HttpResponse:
        self.query()
        if not connections.close(id):
            raise NotFound("There is no such connection.")
        self.entry("connection.close", f"connection:{id}").record()
        return no_content()
