"""The pages that say what inviting somebody again, and taking them away, means."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.urls import reverse

from brokerweb.console.acting import confirmation
from brokerweb.console.page import SignedIn
from brokerweb.console.templatetags.brokerweb_console import age
from brokerweb.console.users.reading import shown, tokens_of
from brokerweb.core.errors import BrokerError
from brokerweb.identity import people


def invite(request: SignedIn, name: str, error: BrokerError | None = None) -> HttpResponse:
    """Who would be invited. Raises NotFound."""
    person = shown(people.find(name))
    has = "They have a password, which goes on until they set another." if person.password else "They have no password yet."
    return confirmation(
        request,
        f"Invite {name}",
        f"The link that is shown next lets whoever has it set {name}'s password, once, within seven days.",
        error.http_status if error else 200,
        error=error.detail if error else "",
        facts=[("Password", has), ("Last seen", _seen(person.last_seen_at))],
        button="Make the link",
        mild=True,
        **_place(name),
    )


def unlink(request: SignedIn, name: str) -> HttpResponse:
    """By whom they would sign in no more. Raises NotFound."""
    person = shown(people.find(name))
    then = "They have a password, and sign in with that." if person.password else "They have no password: invite them to set one."
    return confirmation(
        request,
        f"Unlink {name}",
        "Whoever signs in by OpenID Connect as they did is somebody new here from now on.",
        facts=[("Signs in by", person.issuer or "no provider"), ("Then", then), ("Last seen", _seen(person.last_seen_at))],
        button="Unlink",
        mild=True,
        **_place(name),
    )


def delete(request: SignedIn, name: str) -> HttpResponse:
    """What would be gone. Raises NotFound."""
    found = people.find(name)
    person, made = shown(found), tokens_of(found)
    stay = f"{made} that they made stay{'s' if made == 1 else ''} good: revoke what only they used" if made else "they made none"
    gone = f"{name} cannot sign in any more; where they are signed in, that ends at once."
    keeps = f"{name} is a user of the project and stays one; here they may nothing any more."
    return confirmation(
        request,
        f"Delete {name}",
        gone if person.own else keeps,
        facts=[
            *((str(permit.target), role) for role, permit in person.permits),
            ("Last seen", _seen(person.last_seen_at)),
            ("Tokens", stay),
        ],
        button="Delete the person" if person.own else "Take their grants away",
        **_place(name),
    )


def _seen(at: Any) -> str:
    return f"{age(at)} ago" if at else "never"


def _place(name: str) -> dict[str, Any]:
    own = reverse("brokerweb_console:user", args=[name])
    return {"crumbs": [("People", reverse("brokerweb_console:users")), (name, own)], "cancel": own}
