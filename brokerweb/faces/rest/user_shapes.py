"""The shapes of people."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from brokerweb.faces.codec.answers import Instant
from brokerweb.faces.codec.json import Strict
from brokerweb.faces.rest.shapes import Verb

Role = Literal["viewer", "operator", "admin"]
Pattern = Annotated[str, Meta(pattern=r"^((queue|stream|topic):)?[A-Za-z0-9._*?-]{1,200}$")]


class RoleShape(Strict):
    """A role on a pattern of names, `*` where none is given; or just the verbs."""

    role: Role | UnsetType = UNSET
    pattern: Pattern | UnsetType = UNSET
    verbs: Annotated[list[Verb], Meta(min_length=1)] | UnsetType = UNSET


class UserRequest(Strict):
    """A person to make: one `role` with its `pattern`, or `grants`."""

    name: Annotated[str, Meta(min_length=1, max_length=150)]
    role: Role | UnsetType = UNSET
    pattern: Pattern | UnsetType = UNSET
    grants: Annotated[list[RoleShape], Meta(max_length=100)] | UnsetType = UNSET


class UserChanges(Strict):
    """What is to be otherwise: all that they may, whether they may sign in, or with `issuer` null that they are linked."""

    role: Role | UnsetType = UNSET
    pattern: Pattern | UnsetType = UNSET
    grants: Annotated[list[RoleShape], Meta(max_length=100)] | UnsetType = UNSET
    active: bool | UnsetType = UNSET
    issuer: UnsetType | None = UNSET


class UserGrant(Struct):
    """What a person may; `role` is null where the verbs make none."""

    role: Role | None
    pattern: str
    verbs: list[Verb]


class User(Struct):
    """A person. `role` is the most that they are, on whatever names; `last_seen_at` is known to the minute.

    `invited_until_at`: an invitation is open. `issuer`: who vouches for them where they sign in by OpenID Connect.
    """

    name: str
    role: Role | None
    grants: list[UserGrant]
    active: bool
    last_seen_at: Instant | None
    invited_until_at: Instant | None
    password: bool
    issuer: str | None


class InvitedUser(User, kw_only=True):
    """A person with the link of their invitation, this once."""

    invitation: str
    invitation_expires_at: Instant


class UserList(Struct):
    """A page of people by name."""

    items: list[User]
    next: str | None
