"""The audit trail as it is read, and how it ends."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db.models import Q, QuerySet
from django.db.models.functions import Left
from django.db.models.lookups import Exact

from brokerweb.core import clock
from brokerweb.identity.models import AuditEntry

DAY = 86_400
TURN = 1_000  # entries that one turn forgets


class Asked(NamedTuple):
    """Which entries: of whom (a name, or an owner), of which act or noun, of what and all below it, since when."""

    who: str = ""
    action: str = ""
    target: str = ""
    since: int | None = None


def listing(asked: Asked) -> QuerySet[AuditEntry]:
    """What was asked for, the newest first."""
    found = AuditEntry.objects.order_by("-pk")
    if asked.who:
        found = found.filter(Q(actor=asked.who) | Q(owner=asked.who))
    if asked.action:
        found = found.filter(Q(action=asked.action) | _below(f"{asked.action}.", "action"))
    if asked.target:
        found = found.filter(Q(target=asked.target) | _below(f"{asked.target}/", "target"))
    return found if asked.since is None else found.filter(at__gte=asked.since)


def last_change(target: str) -> AuditEntry | None:
    """The last that was done to this very thing, signing in aside."""
    return AuditEntry.objects.filter(target=target).exclude(action__startswith="user.sign_in").order_by("-pk").first()


def _below(begins: str, column: str) -> Q:
    """By its bytes: LIKE knows no case on SQLite, and order is a collation's on PostgreSQL."""
    return Q(Exact(Left(column, len(begins)), begins))


def as_json(entry: AuditEntry) -> dict[str, Any]:
    """An entry as answers show it."""
    detail = dict(entry.detail)
    return {
        "id": str(entry.pk),
        "at": clock.rfc3339(clock.from_datetime(entry.at)),
        "by": entry.actor,
        "owner": entry.owner or None,
        "from": entry.address or None,
        "action": entry.action,
        "target": entry.target,
        "before": detail.pop("before", None),
        "after": detail.pop("after", None),
        "job": detail.pop("job", None),
        "detail": detail,
    }


def forget_old(before: int) -> bool:
    """Remove a turn of the entries that are older; whether there may be more."""
    old = list(AuditEntry.objects.filter(at__lt=before).order_by("at").values_list("pk", flat=True)[:TURN])
    if old:
        AuditEntry.objects.filter(pk__in=old).delete()
    return len(old) == TURN
