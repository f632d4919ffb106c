"""The list of tokens."""

from __future__ import annotations

from brokerweb.console.listing import Column, Listing
from brokerweb.console.tokens import reading
from brokerweb.identity.models import Token


def _grants(token: Token) -> str:
    return "; ".join(f"{grant}: {' '.join(grant.verbs)}" for grant in token.grants.all())


LISTING = Listing[Token](
    "tokens",
    [
        Column("name", "Name", lambda token: token.name, fixed=True),
        Column("grants", "Grants", _grants, sortable=False),
        Column("maker", "Made by", lambda token: token.maker, style="wide"),
        Column("created", "Made", lambda token: token.created_at, style="wide"),
        Column("used", "Used, 30 days", lambda token: token.last_used_at, style="wide"),
        Column("expires", "Expires", lambda token: token.expires_at, style="mid"),
    ],
    identity=lambda token: str(token.pk),
    rows=reading.newest,
    sort="-created",
    by_id="created",
    some=reading.some,
    newest=reading.NEWEST,
)
