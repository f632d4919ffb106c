"""Making a token, whose text is shown once, and revoking one."""

from __future__ import annotations

from django.http import HttpResponseBase
from django.shortcuts import redirect

from brokerweb.console import snippets
from brokerweb.console.acting import telling
from brokerweb.console.choosing import named
from brokerweb.console.page import SignedIn, form, render, render_form
from brokerweb.console.tokens import confirm
from brokerweb.console.tokens.forms import TokenForm
from brokerweb.core.errors import BrokerError
from brokerweb.identity import tokens as identity
from brokerweb.identity.grants import stored


@form
def new_token(request: SignedIn) -> HttpResponseBase:
    """Make a token; the answer to the POST shows it, so that it is stored nowhere."""
    identity.listing(request.principal)  # raises Forbidden for who makes none
    asked = TokenForm(request.POST if request.method == "POST" else None)
    if asked.is_valid() and not request.POST.get("more"):
        try:
            made = identity.create(request.principal, asked.request(), address=request.META.get("REMOTE_ADDR"))
        except BrokerError as error:  # Forbidden, too: the grants that the person lacks stand in their rows
            asked.refuse(error)
        else:
            return _shown_once(request, made)
    return render_form(request, "brokerweb_console/tokens/new.html", asked)


def _shown_once(request: SignedIn, made: identity.NewToken) -> HttpResponseBase:
    grants = [permit for g in made.token.grants.all() if (permit := stored(g.kind, g.pattern, g.verbs))]
    examples = snippets.trying(snippets.Host.of(request), grants, made.text, lambda kind: named(kind, ""))
    return render(request, "brokerweb_console/tokens/made.html", made=made.token, secret=made.text, snippets=examples)


@form
def revoke(request: SignedIn, token_id: int) -> HttpResponseBase:
    """Revoke one token."""
    if request.method != "POST":
        return confirm.revoke(request, token_id)
    with telling(request, "Revoked. What used it is refused from now on."):
        identity.revoke(request.principal, token_id, address=request.META.get("REMOTE_ADDR"))
    return redirect("brokerweb_console:tokens")
