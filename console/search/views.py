"""The page of a search."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console.conditions import Asked
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.search.grammar import EXAMPLES


@page
def search(request: SignedIn) -> HttpResponseBase:
    """What was asked for, and what that may be."""
    return render(request, "brokerweb_console/search/search.html", asked=Asked.of(request), examples=EXAMPLES)
