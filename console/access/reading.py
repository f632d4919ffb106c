"""What may this person, or this token, do: the answer, and the grant that it follows from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb import conf
from brokerweb.core import clock
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.names import parse_destination
from brokerweb.identity import people, roles
from brokerweb.identity.grants import ADMIN, CONSUME, MANAGE, PUBLISH, VERBS, Permit
from brokerweb.identity.models import Token
from brokerweb.identity.users import permits_of

MOST = 500  # of each that are offered; whoever is not among them is named in the address
_CHANGING = (PUBLISH, CONSUME, MANAGE)


class Somebody(NamedTuple):
    """Who is asked about."""

    who: str  # user:NAME or token:ID
    name: str
    permits: Sequence[Permit]
    shut: str  # why they get nothing at all, if so
    reads_only: bool


class Answer(NamedTuple):
    """Yes or no, in a sentence, with the grants that say so, or those that come nearest."""

    yes: bool
    text: str
    grants: Sequence[tuple[str, str]]


def offered() -> list[tuple[str, list[tuple[str, str]]]]:
    """Whom one may ask about, in groups."""
    named = [(f"user:{user.get_username()}", user.get_username()) for user in people.listing()[:MOST]]
    tokens = Token.objects.filter(revoked_at=None).order_by("-pk").values_list("pk", "name")[:MOST]
    return [("People", named), ("Tokens", [(f"token:{pk}", f"{name} ({pk})") for pk, name in tokens])]


def answered(query: Mapping[str, str]) -> dict[str, Any]:
    """The form as it was sent, and its answer, or what is wrong with it; neither where nothing was asked."""
    given = {name: query.get(name, "").strip()[:300] for name in ("who", "verb", "to")}
    shown = {"given": given, "offered": offered(), "verbs": VERBS, "answer": None, "wrong": ""}
    if not given["who"]:
        return shown
    try:
        one = somebody(given["who"])
        asks = "verb" in query or given["to"]  # else somebody was chosen, by a link, and nothing is asked yet
        return shown | ({"answer": answer(one, given["verb"], given["to"])} if asks else {})
    except (Invalid, NotFound) as error:
        return shown | {"wrong": error.detail}


def somebody(who: str) -> Somebody:
    """Who is meant. Raises NotFound."""
    kind, _, name = who.partition(":")
    if kind == "user":
        user = people.find(name)
        shut = "" if user.is_active else "is deactivated and cannot sign in"
        return Somebody(who, name, people.permits_of(user), shut, conf.get().read_only)
    digits = name.isascii() and name.isdigit() and len(name) < 19
    token = Token.objects.filter(pk=int(name)).prefetch_related("grants").first() if kind == "token" and digits else None
    if token is None:
        raise NotFound("there is no such person or token")
    return Somebody(who, token.name, permits_of(token.grants.all()), _end_of(token), False)


def _end_of(token: Token) -> str:
    if token.revoked_at is not None:
        return "was revoked"
    expired = token.expires_at is not None and token.expires_at <= clock.to_datetime(clock.wall())
    return "has expired" if expired else ""


def answer(one: Somebody, verb: str, to: str) -> Answer:
    """Whether they may. Raises Invalid."""
    if verb not in VERBS:
        raise Invalid.at("/verb", "choose what they would do")
    if verb == ADMIN and not to:
        giving = [p for p in one.permits if p.of_everything and ADMIN in p.verbs]
        return _said(one, giving, "administer the broker", one.permits)
    kind, name = parse_destination(to)
    about = [permit for permit in one.permits if permit.matches(kind, name)]
    giving = [permit for permit in about if permit.gives(verb)]
    if one.reads_only and verb in _CHANGING and giving:
        return Answer(False, f"No: {one.name} may, but the broker is read-only for people now.", _told(giving))
    return _said(one, giving, f"{verb} on {to}", about)


def _said(one: Somebody, giving: Sequence[Permit], deed: str, near: Sequence[Permit]) -> Answer:
    if one.shut:
        return Answer(False, f"No: {one.name} {one.shut}.", _told(giving))
    if giving:
        return Answer(True, f"Yes: {one.name} may {deed}.", _told(giving))
    why = "what covers that name gives other verbs" if near else "no grant covers that name"
    return Answer(False, f"No: {one.name} may not {deed}; {why}.", _told(near))


def _told(permits: Sequence[Permit]) -> list[tuple[str, str]]:
    return [(permit.target, roles.role_of(permit) or ", ".join(permit.as_json()["verbs"])) for permit in permits]
