"""Where the page of a destination is."""

from __future__ import annotations

from django.urls import reverse

from brokerweb.core.errors import Invalid
from brokerweb.core.names import parse_destination
from brokerweb.identity.principal import Principal


def url_of(destination: str, principal: Principal) -> str:
    """The page of a queue, stream or topic; empty for what is no destination, or one that the person may not browse."""
    try:
        kind, name = parse_destination(destination)
    except Invalid:
        return ""
    return reverse(f"brokerweb_console:{kind}", args=[name]) if principal.may("browse", kind, name) else ""
