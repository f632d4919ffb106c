"""The list of API tokens, and the page of one."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import list_frame
from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.tokens.listing import LISTING
from brokerweb.console.use import shown
from brokerweb.core import clock
from brokerweb.identity import token_use
from brokerweb.identity import tokens as identity


@page
@list_frame.opens_preferred
def tokens(request: SignedIn) -> HttpResponseBase:
    """Those the person may see, newest first until somebody sorts otherwise."""
    context = list_frame.context(request, list_frame.asked(request, LISTING))
    found = context["rows"]
    use = token_use.read([token.pk for token in found], clock.wall())
    rows = [(token, shown(use[token.pk])) for token in found]
    return render(request, "brokerweb_console/tokens/list.html", **context, tokens=rows)


@page
def token(request: SignedIn, token_id: int) -> HttpResponseBase:
    """What one may, and when it was used."""
    found = identity.read(request.principal, token_id)
    use = shown(token_use.read([found.pk], clock.wall())[found.pk], large=True)
    return render(request, "brokerweb_console/tokens/token.html", token=found, use=use)
