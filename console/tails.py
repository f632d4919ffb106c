"""What a page needs that watches a queue or stream: the address that its module listens to, or why its filter cannot be read."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from brokerweb.answers import tailing
from brokerweb.console.conditions import LONGEST
from brokerweb.console.page import SignedIn
from brokerweb.core.errors import Invalid

SOURCE = "/tail"
_LISTS = {"queue": "messages", "stream": "records"}


def watching(request: SignedIn, kind: str, name: str) -> dict[str, Any]:
    """Raises Forbidden."""
    q = request.GET.get("q", "").replace("\0", "").strip()[:LONGEST]
    listing = reverse(f"brokerweb_console:{_LISTS[kind]}", args=[name])
    context = {"q": q, "listing": listing, "listing_of": listing, "source": f"{SOURCE}?{urlencode([(kind, name), ('q', q)])}"}
    try:
        tailing.made(request.principal, kind, name, q)
    except Invalid as error:
        faults = error.extra.get("errors") or [{"detail": error.detail}]
        context["fault"] = str(faults[0]["detail"])
    return context
