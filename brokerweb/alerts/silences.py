"""Silences: for a time nobody is told of what a pattern names. What holds is shown all the same, and told if it outlasts them."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from brokerweb.alerts.rules import find, parse_target
from brokerweb.cluster.models import AlertSilence
from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.identity import audit
from brokerweb.identity.principal import Principal

MOST = 100
LONGEST = 30 * 86_400  # seconds
ANYTHING = "*"


def covers(silence: AlertSilence, rule: str, target: str) -> bool:
    """Whether it is about that alert."""
    if silence.rule and silence.rule != rule:
        return False
    return silence.target == ANYTHING or parse_target(silence.target).covers(target)


def listed() -> list[AlertSilence]:
    """Those that last, the first to end first."""
    return list(AlertSilence.objects.filter(until_at__gt=clock.wall()).order_by("until_at", "pk"))


def as_json(silence: AlertSilence) -> dict[str, Any]:
    """As answers show it."""
    return {
        "id": str(silence.pk),
        "target": silence.target,
        "rule": silence.rule or None,
        "until_at": clock.rfc3339(clock.from_datetime(silence.until_at)),
        "reason": silence.reason,
        "by": silence.actor,
    }


def begin(
    by: Principal, target: str, seconds: int, *, rule: str = "", reason: str = "", address: str | None = None
) -> AlertSilence:
    """Nobody is told of it for so long. Raises Invalid, NotFound for a rule, and Conflict where there are too many."""
    pattern = ANYTHING if target == ANYTHING else str(parse_target(target))
    if not 1 <= seconds <= LONGEST:
        raise Invalid.at("/seconds", f"1 to {LONGEST}")
    if rule:
        find(rule)
    with transaction.atomic():
        AlertSilence.objects.filter(until_at__lte=clock.wall()).delete()
        if AlertSilence.objects.count() >= MOST:
            raise Conflict(f"there are {MOST} silences; end one first")
        until = clock.wall() + clock.seconds(seconds)
        made = AlertSilence.objects.create(target=pattern, rule=rule, until_at=until, reason=reason[:200], actor=by.name[:255])
        made.refresh_from_db()
        audit.record(by, "alert-silence.begin", f"alert-silence:{made.pk}", detail={"after": as_json(made)}, address=address)
    return made


def end(by: Principal, number: int, *, address: str | None = None) -> None:
    """Raises NotFound."""
    with transaction.atomic():
        found = AlertSilence.objects.filter(pk=number).first()
        if found is None:
            raise NotFound("There is no silence of that number.")
        audit.record(by, "alert-silence.end", f"alert-silence:{number}", detail={"before": as_json(found)}, address=address)
        found.delete()
