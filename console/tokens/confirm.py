"""The page that says what a token to be revoked may do."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import age
from brokerweb.identity import tokens


def revoke(request: SignedIn, token_id: int) -> HttpResponse:
    """What the token may do now. Raises NotFound."""
    token, place = tokens.read(request.principal, token_id), reverse("brokerweb_console:tokens")
    facts = [(str(grant), ", ".join(grant.verbs)) for grant in token.grants.all()]
    return confirmation(
        request,
        f"Revoke {token.name}",
        "It is refused at once, and its live connections are closed. It cannot be taken back.",
        facts=[*facts, ("Last used", f"{age(token.last_used_at)} ago" if token.last_used_at else "never")],
        button="Revoke the token",
        crumbs=[("Tokens", place)],
        cancel=place,
    )
