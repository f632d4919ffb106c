"""The page of one's own account: who one is here, what one may, and how one signs in. It is there where people only look, too."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpResponseBase

from brokerweb.console.page import SignedIn, page, render
from brokerweb.console.signin.actions import offered
from brokerweb.identity import people, roles


@page
def account(request: SignedIn) -> HttpResponseBase:
    """Who is signed in."""
    user = people.find(request.user.get_username())
    person, permits = people.person_of(user), people.permits_of(user)
    issuer = person.issuer if person is not None and person.issuer else ""
    return render(
        request,
        "brokerweb_console/account.html",
        permits=[(roles.role_of(permit) or ", ".join(permit.as_json()["verbs"]), permit.target) for permit in permits],
        password=user.has_usable_password(),
        own=people.is_own(user),
        issuer=urlsplit(issuer).hostname or issuer,
        offered=offered(),
    )
