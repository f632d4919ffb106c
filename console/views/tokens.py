"""API tokens: the list, and a new one, whose text is shown once."""

from __future__ import annotations

from django.http import HttpResponseBase

from brokerweb.console import snippets
from brokerweb.console.filters import LIMIT
from brokerweb.console.page import SignedIn, form, page, render
from brokerweb.console.token_form import TokenForm
from brokerweb.core.errors import BrokerError
from brokerweb.identity import tokens as identity
from brokerweb.identity.grants import stored


@page
def tokens(request: SignedIn) -> HttpResponseBase:
    """The tokens the person may see, newest first."""
    after = request.GET.get("after", "")
    listing = identity.listing(request.principal)
    if after.isascii() and after.isdigit() and len(after) < 19:
        listing = listing.filter(pk__lt=int(after))
    found = list(listing[: LIMIT + 1])
    more = found[LIMIT - 1].pk if len(found) > LIMIT else None
    return render(request, "brokerweb_console/tokens/list.html", tokens=found[:LIMIT], next=more, after=after)


@form
def new_token(request: SignedIn) -> HttpResponseBase:
    """Make a token; the answer to the POST shows it, so that it is stored nowhere."""
    identity.listing(request.principal)  # raises Forbidden for who makes none
    asked = TokenForm(request.POST if request.method == "POST" else None)
    if asked.is_bound and not request.POST.get("more") and asked.is_valid():
        try:
            made = identity.create(request.principal, asked.request(), address=request.META.get("REMOTE_ADDR"))
        except BrokerError as error:
            asked.refuse(error)
        else:
            return _shown_once(request, made)
    return render(request, "brokerweb_console/tokens/new.html", 400 if asked.errors else 200, form=asked)


def _shown_once(request: SignedIn, made: identity.NewToken) -> HttpResponseBase:
    grants = [permit for g in made.token.grants.all() if (permit := stored(g.kind, g.pattern, g.verbs))]
    plain = next((g.pattern for g in grants if not set(g.pattern) & set("*?")), "orders")
    examples = snippets.publishing(snippets.Host.of(request), plain, made.text)
    return render(request, "brokerweb_console/tokens/made.html", made=made.token, secret=made.text, snippets=examples)
