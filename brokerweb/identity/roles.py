"""Roles: what people are given, each on a pattern of names. A role is a name for verbs; a grant of just these is that role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from brokerweb.core.errors import Invalid, escape_pointer
from brokerweb.identity.grants import ADMIN, BROWSE, MANAGE, PUBLISH, Permit, parse_grant, parse_grants, parse_target

VIEWER, OPERATOR, ADMINISTRATOR = "viewer", "operator", "admin"
# The least first.
ROLES: dict[str, frozenset[str]] = {
    VIEWER: frozenset({BROWSE}),
    OPERATOR: frozenset({BROWSE, PUBLISH, MANAGE}),
    ADMINISTRATOR: frozenset({ADMIN}),
}
EVERYTHING = Permit(None, "*", ROLES[ADMINISTRATOR])


def role_of(permit: Permit) -> str | None:
    """The role that a grant is; None for verbs that make none."""
    return next((role for role, verbs in ROLES.items() if verbs == permit.verbs), None)


def highest(permits: Iterable[Permit]) -> str | None:
    """The most that somebody is, on whatever names; None where no grant is a role."""
    held = {role_of(permit) for permit in permits}
    return next((role for role in reversed(ROLES) if role in held), None)


def in_short(permit: Permit) -> dict[str, Any]:
    """A grant of a person as requests have it."""
    role = role_of(permit)
    return permit.as_json() if role is None else {"role": role, "pattern": permit.target}


def as_json(permit: Permit) -> dict[str, Any]:
    """A grant of a person as answers show it."""
    return {"role": role_of(permit), **permit.as_json()}


def given(role: str, target: str = "*") -> Permit:
    """A role on a pattern, as people write both. Raises Invalid."""
    return _parse({"role": role, "pattern": target}, "")


def asked(request: Mapping[str, Any]) -> list[Permit] | None:
    """The grants that a request asks for: ``grants``, or one ``role`` with its ``pattern``; None where it asks for none.

    Raises Invalid.
    """
    one = {name: request[name] for name in ("role", "pattern") if name in request}
    if "grants" in request:
        if one:
            raise Invalid.at(f"/{next(iter(one))}", "either grants, or one role and its pattern")
        return list(dict.fromkeys(parse_grants(request["grants"], one=_parse)))
    if one and "role" not in one:
        raise Invalid.at("/pattern", "goes with a role")
    return [_parse(one, "")] if one else None


def _parse(item: object, pointer: str) -> Permit:
    if not isinstance(item, dict) or "role" not in item:
        return parse_grant(item, pointer)
    for field in item:
        if field not in ("role", "pattern"):
            raise Invalid.at(f"{pointer}/{escape_pointer(field)}", "a role has a pattern, and nothing else")
    role = item["role"]
    if not isinstance(role, str) or role not in ROLES:
        raise Invalid.at(f"{pointer}/role", f"a role is one of {', '.join(ROLES)}")
    return Permit(*parse_target(item.get("pattern", "*"), f"{pointer}/pattern"), ROLES[role])
