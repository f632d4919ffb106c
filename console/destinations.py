"""Where the page of a destination is."""

from __future__ import annotations

from django.urls import reverse

from brokerweb.core.errors import Invalid
from brokerweb.core.names import parse_destination


def url_of(destination: str) -> str:
    """The page of a queue, stream or topic; empty for what is no destination."""
    try:
        kind, name = parse_destination(destination)
    except Invalid:
        return ""
    return reverse(f"console:{kind}", args=[name])
