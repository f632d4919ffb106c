"""Closing a connection."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.urls import reverse

from brokerweb.console.acting import deed, telling
from brokerweb.console.connections import confirm
from brokerweb.console.page import SignedIn, back, form
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections


@form
def close(request: SignedIn, connection_id: str) -> HttpResponseBase:
    """Close one connection."""
    request.principal.require_admin()
    if request.method != "POST":
        return confirm.close(request, connection_id)
    if not connections.close(connection_id):
        raise NotFound("There is no such connection.")
    with telling(request, "The connection is being closed."):
        deed(request, "connection.close", f"connection:{connection_id}").record()
    return back(request, reverse("brokerweb_console:connections"))
