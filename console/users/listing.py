"""The list of people."""

from __future__ import annotations

from brokerweb.console.listing import Asked, Column, Listing
from brokerweb.console.users import reading
from brokerweb.console.users.reading import Shown
from brokerweb.identity import people
from brokerweb.identity.principal import Principal

MOST = 5_000  # people, by name
SHOWN = (
    ("", "Everybody"),
    ("active", "Who may sign in"),
    ("invited", "Invited"),
    ("deactivated", "Deactivated"),
)


def rows(principal: Principal, asked: Asked) -> list[Shown]:
    """Everybody who may come in."""
    return [reading.shown(user) for user in people.listing()[:MOST]]


def suits(person: Shown, asked: Asked) -> bool:
    """Whether the name has the part that is asked for, and they are of the kind."""
    kinds = {"active": person.active, "invited": person.invited_until is not None, "deactivated": not person.active}
    return asked.q.lower() in person.name.lower() and kinds.get(asked.get("show"), True)


def _may(person: Shown) -> str:
    return "; ".join(f"{permit.target}: {role}" for role, permit in person.permits)


def _signs_in(person: Shown) -> str:
    return "OpenID Connect" if person.issuer else "password" if person.password else "not yet"


LISTING = Listing[Shown](
    "users",
    [
        Column("name", "Name", lambda person: person.name, fixed=True),
        Column("grants", "May", _may),
        Column("signs_in", "Signs in", _signs_in, style="mid"),
        Column("last_seen", "Last seen", lambda person: person.last_seen_at, style="wide"),
    ],
    identity=lambda person: str(person.user.pk),
    rows=rows,
    suits=suits,
    sort="name",
    filters=("show",),
)
