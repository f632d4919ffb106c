"""What the page shows of the audit trail."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from django.db.models import QuerySet
from django.urls import reverse

from brokerweb.console import zones
from brokerweb.console.audit.changes import FEW, Change, changes, pretty
from brokerweb.console.destinations import url_of
from brokerweb.console.listing import Asked, Beyond
from brokerweb.core import clock
from brokerweb.core.errors import Invalid
from brokerweb.core.names import NAME
from brokerweb.identity import trail
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import Principal

NEWEST = 1_000  # entries that are sorted by what they say
FILTERS = ("who", "action", "target", "since")
NOUNS = (
    "alert-channel",
    "alert-rule",
    "alert-silence",
    "bulk",
    "connection",
    "group",
    "job",
    "mark",
    "masks",
    "message",
    "queue",
    "record",
    "schema",
    "stream",
    "template",
    "token",
    "topic",
    "user",
    "view",
)
_AGO = re.compile(r"([0-9]{1,5}) ?(m|min|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86_400}
_DAY_OR_MINUTE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[ T][0-9]{2}:[0-9]{2})?")


def some(principal: Principal, asked: Asked, beyond: Beyond) -> Sequence[AuditEntry]:
    """Entries by their ids. Raises Invalid where the instant is none."""
    found = _asked_for(asked).order_by("pk" if beyond.upwards else "-pk")
    if beyond.id is not None:
        found = found.filter(pk__gt=beyond.id) if beyond.upwards else found.filter(pk__lt=beyond.id)
    return list(found[: beyond.limit])


def newest(principal: Principal, asked: Asked) -> Sequence[AuditEntry]:
    """Those that are sorted by other columns than when."""
    return some(principal, asked, Beyond(None, upwards=False, limit=NEWEST))


def _asked_for(asked: Asked) -> QuerySet[AuditEntry]:
    try:
        since = instant(asked.get("since").strip()) if asked.get("since") else None
    except (ValueError, OverflowError):
        raise Invalid.at("/since", "a day, an instant or a time ago, such as 7 d") from None
    return trail.listing(trail.Asked(asked.get("who"), asked.get("action"), asked.get("target"), since))


class Row(NamedTuple):
    """An entry as the page has it."""

    entry: AuditEntry
    at: datetime
    who: str
    token: str  # the id of the token that did it, or empty
    address: str | None
    action: str
    target: str
    url: str  # the page of what it is about, or empty
    job: str | None
    kind: str  # made, changed, gone, or told: it says what was done, in other words than before and after
    changes: Sequence[Change]
    few: bool
    whole: str


def rows(found: Sequence[AuditEntry], principal: Principal) -> list[Row]:
    """A page's rows."""
    return [_row(entry, principal) for entry in found]


def instant(text: str) -> int:
    """An instant as people write it: a day or minute of their zone, ``7 d`` ago, RFC 3339. Raises ValueError, OverflowError."""
    if ago := _AGO.fullmatch(text):
        return clock.wall() - clock.seconds(int(ago[1]) * _SECONDS[ago[2]])
    if _DAY_OR_MINUTE.fullmatch(text):
        day, _, minute = text.replace("T", " ").partition(" ")
        return zones.meant(clock.parse_rfc3339(f"{day}T{minute or '00:00'}:00Z"))
    return clock.parse_rfc3339(text)


def _row(entry: AuditEntry, principal: Principal) -> Row:
    told = trail.as_json(entry)
    before, after, detail = told["before"], told["after"], told["detail"]
    differs = changes(before, after)
    kind = "told" if not differs else "made" if before is None else "gone" if after is None else "changed"
    found = differs or changes(None, detail or None)
    parts = {name: told[name] for name in ("before", "after", "detail") if told[name]}
    owner, _, number = entry.owner.partition(":")
    return Row(
        entry,
        entry.at,
        entry.actor,
        number if owner == "token" else "",
        told["from"],
        entry.action,
        entry.target,
        url_of_target(entry.target, principal),
        told["job"],
        kind,
        found,
        len(found) <= FEW and kind in ("changed", "told"),
        pretty(parts) if parts else "",
    )


def url_of_target(target: str, principal: Principal) -> str:
    """The page of what an entry is about; empty where it has none."""
    kind, _, name = target.partition(":")
    if kind == "user" and name and "/" not in name:
        return reverse("brokerweb_console:user", args=[name])
    if kind in ("job", "token") and name.isascii() and name.isdigit() and len(name) < 19:
        return reverse(f"brokerweb_console:{kind}", args=[int(name)])
    if kind == "schema" and NAME.fullmatch(name):
        return reverse("brokerweb_console:schema", args=[name]) if principal.admin else ""
    return url_of(target.partition("/")[0], principal)
