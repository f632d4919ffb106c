"""What pages show of a person."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from brokerweb.core import clock
from brokerweb.identity import people, roles
from brokerweb.identity.grants import Permit
from brokerweb.identity.models import Token


class Shown(NamedTuple):
    """A person as a row or a page has them."""

    name: str
    user: Any
    permits: tuple[tuple[str, Permit], ...]  # each with its role, or its verbs
    superuser: bool
    active: bool
    last_seen_at: datetime | None
    invited_until: datetime | None  # an invitation is open
    invitation_over: bool
    password: bool
    issuer: str | None
    own: bool


def shown(user: Any) -> Shown:
    """A person, read with what belongs to them."""
    permits, person = people.permits_of(user), people.person_of(user)
    until = person.invited_until_at if person and person.invitation else None
    over = until is not None and until <= clock.to_datetime(clock.wall())
    return Shown(
        user.get_username(),
        user,
        tuple((role(permit), permit) for permit in permits),
        bool(getattr(user, "is_superuser", False)),
        bool(user.is_active),
        people.seen_at(user),
        None if over else until,
        over,
        user.has_usable_password(),
        person.issuer if person else None,
        people.is_own(user),
    )


def role(permit: Permit) -> str:
    """The role that a grant is, else its verbs."""
    return roles.role_of(permit) or ", ".join(permit.as_json()["verbs"])


def tokens_of(user: Any) -> int:
    """How many tokens they made that are good still: they outlive whoever made them."""
    return Token.objects.filter(created_by=f"user:{user.pk}", revoked_at=None).count()
