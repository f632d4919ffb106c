"""API tokens: made, listed, revoked; and, from ``authentication``, turned into principals.

A token is 32 random bytes behind ``bw_``, shown once and stored as its SHA-256: with that much entropy a plain hash
cannot be guessed back. Its grants never change; whoever needs others makes another token.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from brokerweb.core import clock
from brokerweb.core.errors import Forbidden, Invalid, NotFound, escape_pointer
from brokerweb.identity import audit
from brokerweb.identity.authentication import (
    LONGEST,
    aauthenticate,
    announce_revoked,
    astill_valid,
    astill_valid_all,
    authenticate,
    cached,
    digest_of,
    forget_cached,
    on_revoked,
    still_valid,
    still_valid_all,
)
from brokerweb.identity.grants import Permit, parse_grants, uncovered
from brokerweb.identity.models import Grant, Token
from brokerweb.identity.principal import Principal
from brokerweb.identity.users import permits_of

__all__ = [
    "LONGEST",
    "NewToken",
    "aauthenticate",
    "as_json",
    "astill_valid",
    "astill_valid_all",
    "authenticate",
    "cached",
    "create",
    "forget_cached",
    "listing",
    "on_revoked",
    "read",
    "revoke",
    "still_valid",
    "still_valid_all",
    "store",
]

PREFIX = "bw_"
_FIELDS = ("name", "grants", "expires_at")


@dataclass(frozen=True)
class NewToken:
    """A token and its text, which is nowhere else; ``repr`` leaves it out."""

    token: Token
    text: str = field(repr=False)

    def as_json(self) -> dict[str, Any]:
        return {**as_json(self.token), "token": self.text}


def create(maker: Principal, request: Mapping[str, Any], *, address: str | None = None) -> NewToken:
    """Make the token ``request`` describes (name, grants, expires_at); it grants no more than ``maker``, and expires no later.

    Raises Invalid with a pointer, and Forbidden where the maker lacks something.
    """
    if not maker.delegates:
        raise Forbidden("making tokens needs the verb admin")
    _refuse_unknown(request)
    name, permits = _name(request.get("name")), parse_grants(request.get("grants"))
    expires_at = _expiry(request.get("expires_at"), maker)
    if lacking := uncovered(permits, maker.permits):
        n, verb = lacking
        raise Forbidden(f"/grants/{n}: {verb} on {permits[n].target} is more than your own grants cover")
    with transaction.atomic():
        made = store(maker, name, permits, expires_at=expires_at)
        detail = {"name": name, "grants": [permit.as_json() for permit in permits]}
        audit.record(maker, "token.create", made.token.owner, detail=detail, address=address)
    return made


def store(
    maker: Principal, name: str, permits: Sequence[Permit], *, expires_at: int | None = None, text: str | None = None
) -> NewToken:
    """Write a token without asking whether ``maker`` may; ``text`` is given at first start alone."""
    text = text or PREFIX + secrets.token_urlsafe(32)
    with transaction.atomic():
        token = Token.objects.create(
            name=name,
            sha256=digest_of(text),
            created_at=clock.wall(),
            expires_at=expires_at,
            created_by=maker.owner,
            maker=maker.name[:200],
        )
        rows = [Grant(token=token, kind=p.kind, pattern=p.pattern, verbs=p.as_json()["verbs"]) for p in permits]
        Grant.objects.bulk_create(rows)
        token.refresh_from_db()  # instants as datetimes
    return NewToken(token, text)


def listing(by: Principal) -> QuerySet[Token]:
    """The tokens ``by`` may see and revoke, unrevoked, newest first: an administrator all, others those they made."""
    if not by.delegates:
        raise Forbidden("tokens need the verb admin")
    tokens = Token.objects.filter(revoked_at=None).order_by("-pk").prefetch_related("grants")
    return tokens if by.admin else tokens.filter(created_by=by.owner)


def read(by: Principal, token_id: str | int) -> Token:
    """One token of ``listing``. Raises NotFound."""
    digits = str(token_id)
    found = listing(by).filter(pk=int(digits)).first() if digits.isascii() and digits.isdigit() and len(digits) < 19 else None
    if found is None:
        raise NotFound("there is no such token")
    return found


def revoke(by: Principal, token_id: str | int, *, address: str | None = None) -> None:
    """Refuse a token from now on: at once in this process, within 5 seconds elsewhere. Raises NotFound."""
    token = read(by, token_id)
    with transaction.atomic():
        if not Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=clock.wall()):
            raise NotFound("there is no such token")
        audit.record(by, "token.revoke", token.owner, detail={"name": token.name}, address=address)
        announce_revoked(token.owner)


def as_json(token: Token) -> dict[str, Any]:
    """A token as the API shows it; its text is not known any more."""
    instants = {name: getattr(token, name) for name in ("created_at", "expires_at", "last_used_at")}
    return {
        "id": str(token.pk),
        "name": token.name,
        "grants": [permit.as_json() for permit in permits_of(token.grants.all())],
        **{name: value and clock.rfc3339(clock.from_datetime(value)) for name, value in instants.items()},
        "created_by": token.maker,
    }


def _refuse_unknown(request: object) -> None:
    if not isinstance(request, Mapping):
        raise Invalid.at("", 'a token is {"name", "grants", "expires_at"}')
    for name in request:
        if name not in _FIELDS:
            raise Invalid.at(f"/{escape_pointer(name)}", "unknown field")


def _name(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= 200 or not value.isprintable() or value.isspace():
        raise Invalid.at("/name", "1 to 200 printable characters")
    return value


def _expiry(value: object, maker: Principal) -> int | None:
    if value is None:
        return maker.expires_at
    try:
        expires_at = clock.parse_rfc3339(value)  # type: ignore[arg-type]  # it raises TypeError for no text
        clock.to_datetime(expires_at)  # which in UTC may lie beyond the year 9999
    except (TypeError, ValueError, OverflowError):
        raise Invalid.at("/expires_at", "an RFC 3339 instant with a time zone, or null") from None
    if expires_at <= clock.wall():
        raise Invalid.at("/expires_at", "an instant in the future")
    if maker.expires_at is not None and expires_at > maker.expires_at:
        raise Forbidden("/expires_at: a token does not outlive the one that makes it")
    return expires_at
