"""Messages that people keep to publish them again: their own, and those that others share, for one destination.

A template is what a form held, as it was typed. It is small, and nobody has many.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
from django.db.models import Q, QuerySet

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound, TooLarge
from brokerweb.identity.models import MessageTemplate
from brokerweb.identity.principal import Principal
from brokerweb.storage.transaction import Transaction

MAX_TEMPLATES, MAX_BYTES = 100, 64 * 1024  # of one person; of one template
_LONGEST_NAME = 100


class Place(NamedTuple):
    """A destination: what is published to."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def listing(principal: Principal, place: Place) -> QuerySet[MessageTemplate]:
    """Those for a destination, by name: the person's own and shared ones. Last, so that all are in reach, the person's own for
    other destinations of the kind."""
    mine = Q(user=_user(principal), kind=place.kind)
    found = MessageTemplate.objects.filter(mine | Q(kind=place.kind, destination=place.name, shared=True))
    return found.defer("fields").select_related("user").order_by("name", "pk")


def read(principal: Principal, place: Place, template_id: int) -> MessageTemplate:
    """One of ``listing``. Raises NotFound."""
    found = listing(principal, place).defer(None).select_related("user").filter(pk=template_id).first()
    if found is None:
        raise NotFound("There is no such template.")
    return found


def may_delete(principal: Principal, template: MessageTemplate) -> bool:
    """Who saved it, and of a shared one who may manage its destination."""
    own = template.user_id == _user(principal)
    return own or (template.shared and principal.may("manage", template.kind, template.destination))


def save(
    tx: Transaction, principal: Principal, place: Place, name: str, fields: Mapping[str, Any], *, shared: bool = False
) -> MessageTemplate:
    """Keep the fields under a name; one of the person's own that has it already is replaced.

    Raises Invalid for no name, TooLarge, and Conflict where the person has too many.
    """
    name = name.strip()
    if not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise Invalid.at("/template_name", f"1 to {_LONGEST_NAME} printable characters")
    size = len(msgspec.json.encode(fields))
    if size > MAX_BYTES:
        detail = f"The template would have {size:,} bytes; one has at most {MAX_BYTES:,}."
        raise TooLarge(detail, errors=[{"pointer": "/template_name", "detail": detail}])
    user = _user(principal)
    known: dict[str, Any] = {"user_id": user, "kind": place.kind, "destination": place.name, "name": name}
    others = MessageTemplate.objects.filter(user_id=user).exclude(**known)
    if others.count() >= MAX_TEMPLATES:
        detail = f"You have {MAX_TEMPLATES} templates, which is as many as one person may have: delete some."
        raise Conflict(detail, errors=[{"pointer": "/template_name", "detail": detail}])
    kept = {"fields": dict(fields), "shared": shared, "size": size, "saved_at": clock.wall()}
    tx.writes += 1
    return MessageTemplate.objects.update_or_create(**known, defaults=kept)[0]


def delete(tx: Transaction, template_id: int) -> None:
    """Raises NotFound where it is gone already."""
    tx.writes += 1
    if not MessageTemplate.objects.filter(pk=template_id).delete()[0]:
        raise NotFound("There is no such template.")


def _user(principal: Principal) -> int:
    """The key of the person's account; 0 of somebody who has none, and no templates."""
    kind, _, pk = principal.owner.partition(":")
    return int(pk) if kind == "user" and pk.isdigit() else 0
