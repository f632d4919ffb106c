"""The page that says what a connection to be closed holds."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.page import SignedIn, place_back
from brokerweb.console.templatetags.brokerweb_console import number, visible
from brokerweb.core.errors import NotFound
from brokerweb.delivery import connections


def close(request: SignedIn, connection_id: str) -> HttpResponse:
    """What the connection holds. Raises NotFound."""
    found = connections.described(connection_id)
    if found is None:
        raise NotFound("There is no such connection.")
    held = connections.held(found)
    who = found["client"] if found["client"] == found["name"] else f"{found['client']} ({found['name']})"
    facts = [("Client", visible(who)), ("Address", found["address"]), ("Subscriptions", number(len(found["subscriptions"])))]
    listing = reverse("brokerweb_console:connections")
    place = place_back(request, listing)
    return confirmation(
        request,
        "Close a connection",
        "The socket is closed with 4009. What it holds goes back to its place in the queue, without counting as a failure.",
        facts=[*facts, ("Unsettled messages", number(held))],
        button="Close the connection",
        hidden=[("back", place)],
        crumbs=[("Connections", listing)],
        cancel=place,
    )
