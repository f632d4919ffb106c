"""Causes as pages show them: titles, hours, where they are, and whether the person may act on some of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

from django.urls import reverse

from brokerweb.answers import causes
from brokerweb.console.conditions import Asked, condition
from brokerweb.core import clock
from brokerweb.identity.principal import Principal
from brokerweb.jobs import destinations

MOST, PLACES = 200, 4  # causes of a page; queues and groups that a row names
LONGEST = 160  # characters of an error
SINCE = (("", "any time"), ("1h", "the last hour"), ("24h", "the last 24 hours"), ("7d", "the last 7 days"))
_SECONDS = {"1h": 3_600, "24h": 86_400, "7d": 7 * 86_400}


@dataclass(frozen=True, slots=True)
class CausesOf:
    """Causes of what died lately, or in some places: from the address."""

    since: str = ""
    place: str = ""
    choices = SINCE

    @classmethod
    def of(cls, query: Mapping[str, str]) -> CausesOf:
        since = query.get("since", "")
        return cls(since if since in _SECONDS else "", query.get("in", "").replace("\0", "").strip()[:210])

    @property
    def active(self) -> bool:
        return bool(self.since or self.place)

    @property
    def since_at(self) -> int | None:
        """The instant since which they died."""
        return clock.to_wall(clock.now()) - clock.seconds(_SECONDS[self.since]) if self.since else None


class Place(NamedTuple):
    """A queue or group that has dead letters of a cause."""

    name: str
    url: str
    kind: str
    owner: str  # of which grants are


@dataclass(frozen=True, slots=True)
class Cause:
    """One cause."""

    fingerprint: str
    title: str
    reason: str
    count: int
    hours: list[int]
    again: float
    places: list[Place]
    more_places: int
    first_at: datetime
    last_at: datetime
    may_manage: bool
    example: Place | None

    @property
    def url(self) -> str:
        """Its messages."""
        return Asked(f"state:dead {condition('fingerprint', self.fingerprint)}").url

    @property
    def plan_url(self) -> str:
        return f"{reverse('brokerweb_console:plan')}?{urlencode([('action', 'redrive'), ('cause', self.fingerprint)])}"


def listed(principal: Principal, asked: CausesOf | None = None) -> list[Cause]:
    """Those with the most first. Raises Invalid for a place that is none."""
    asked = asked or CausesOf()
    within = destinations.within([asked.place] if asked.place else [])
    return [_cause(principal, item) for item in causes.groups(principal, within, asked.since_at, MOST).items]


def _cause(principal: Principal, item: Mapping[str, Any]) -> Cause:
    names = [str(name) for name in item["queues"]]
    return Cause(
        item["fingerprint"] or "",
        shortened(item["error"] or item["reason"] or "not told apart yet"),
        item["reason"] or "",
        item["count"],
        list(item["hours"]),
        item["again"],
        [_place(name) for name in names[:PLACES]],
        max(0, item["destinations"] - PLACES),
        clock.to_datetime(clock.parse_rfc3339(item["first_at"])),
        clock.to_datetime(clock.parse_rfc3339(item["last_at"])),
        bool(item["fingerprint"]) and (principal.may_all("manage") or all(principal.may("manage", *_owner(n)) for n in names)),
        _example(item["sample"]) if item["sample"] else None,
    )


def shortened(text: str) -> str:
    """As much of an error as tells it."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"


def _example(found: Mapping[str, Any]) -> Place:
    """The newest of them, and its page."""
    kind, _, name = found["destination"].partition(":")
    group, place = found.get("group"), "group-message" if found.get("group") else "message"
    args = [name, group, found["id"]] if group else [name, found["id"]]
    return Place(f"message {found['id']}", reverse(f"brokerweb_console:{place}", args=args), kind, name)


def _place(name: str) -> Place:
    """A queue by its name, or a group as stream:NAME/GROUP."""
    kind, owner = _owner(name)
    if kind == "queue":
        return Place(name, reverse("brokerweb_console:dead") + f"?queue={name}", kind, owner)
    group = name.partition("/")[2]
    return Place(f"{owner} / {group}", reverse("brokerweb_console:group-dead", args=[owner, group]), kind, owner)


def _owner(name: str) -> tuple[str, str]:
    """Of what grants are, by such a name."""
    kind, colon, rest = name.partition(":")
    return (kind, rest.partition("/")[0]) if colon else ("queue", name)
