"""What a program needs to work here: a token that may, and programs with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.console import snippets
from brokerweb.console.publishing.forms import LASTS, ProgramForm
from brokerweb.console.publishing.places import Kind
from brokerweb.console.snippets import Host, Snippet
from brokerweb.identity.grants import Permit, uncovered
from brokerweb.identity.principal import Principal
from brokerweb.identity.templates import Place


def token_form(principal: Principal, kind: Kind, place: Place, data: Mapping[str, Any] | None = None) -> ProgramForm | None:
    """A form that makes a token; None for who may give nothing of it away."""
    if principal.read_only or not principal.delegates:
        return None
    uses = [(use, words) for use, (words, verbs) in kind.uses.items() if _may_give(principal, place, verbs)]
    if not uses:
        return None
    named = f"{place.name} program"[:200]
    return ProgramForm(uses, data, name=named, use=uses[-1][0], expires=LASTS[1][0])


def _may_give(principal: Principal, place: Place, verbs: tuple[str, ...]) -> bool:
    return uncovered([Permit(place.kind, place.name, frozenset(verbs))], principal.permits) is None


class Programs(NamedTuple):
    """Programs to copy: what they do, and what they may."""

    key: str
    title: str
    aside: str
    snippets: list[Snippet]


def programs(host: Host, place: Place, verbs: frozenset[str], token: str = "") -> list[Programs]:
    """Programs for what may be done here with these verbs; with a token those that have it in them."""
    made = "with the token you have just made" if token else "with a token that may {}"
    found = []
    if "publish" in verbs:
        publishing = {"queue": snippets.publishing, "stream": snippets.appending, "topic": snippets.routing}[place.kind]
        title = "Append to it" if place.kind == "stream" else "Publish to it"
        found.append(Programs("publish", title, made.format("publish"), publishing(host, place.name, token)))
    if "consume" in verbs and place.kind == "queue":
        found.append(Programs("consume", "Consume from it", made.format("consume"), snippets.consuming(host, place.name, token)))
    elif "consume" in verbs and place.kind == "stream":
        aside = made.format("consume and browse")
        found.append(Programs("consume", "Follow it", aside, snippets.following(host, place.name, token)))
    return found
