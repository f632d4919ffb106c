"""What stands still, as pages show it: with names, links and the one act, only what the person may."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse

from brokerweb.answers import stuck
from brokerweb.answers.verdicts.reading import Every
from brokerweb.console.acts import Act, first
from brokerweb.core import clock
from brokerweb.identity.principal import Principal

MOST = 200  # of what stands still
LABELS = {
    "paused": "Paused",
    "no_consumer": "No consumer",
    "stuck": "Consumers full and silent",
    "key_stuck": "Keys stuck",
    "full": "Full",
    "no_members": "No members",
    "unowned": "Without owner",
    "silent": "Silent members",
    "failing": "Failing",
    "trimmed": "Overtaken by retention",
}


@dataclass(frozen=True, slots=True)
class Item:
    """One queue or group that stands still."""

    key: str
    kind: str
    name: str
    group: str
    url: str
    code: str
    text: str
    held: int
    since_at: datetime | None
    oldest_at: datetime
    act: Act | None

    @property
    def label(self) -> str:
        return f"{self.name} / {self.group}" if self.group else self.name


class Listed(NamedTuple):
    """The worst first; of all that stands still how many things that are, what they hold, and since when the oldest waits."""

    items: list[Item]
    total: int
    held: int
    oldest_at: datetime | None


def listed(principal: Principal, most: int = MOST, *, also_behind: bool = False, every: Every | None = None) -> Listed:
    """What stands still; ``also_behind``: with items to which more comes than goes. ``every`` queue that was read before."""
    found = stuck.look(principal, most, also_behind=also_behind, every=every)
    oldest = None if found.oldest_at is None else clock.to_datetime(found.oldest_at)
    return Listed([_item(each) for each in found.items], found.total, found.held, oldest)


def _item(found: stuck.Item) -> Item:
    kind, _, name = found.destination.partition(":")
    group, verdict = found.group or "", found.verdict
    place = reverse("brokerweb_console:group", args=[name, group]) if group else reverse("brokerweb_console:queue", args=[name])
    since = None if verdict.since is None else clock.to_datetime(verdict.since)
    act = first(verdict.see, verdict.code, kind, name, group)
    key = f"{kind}-{name}-{group}" if group else f"{kind}-{name}"
    oldest = clock.to_datetime(found.oldest_at)
    return Item(key, kind, name, group, place, verdict.code, verdict.text, found.held, since, oldest, act)


@dataclass(frozen=True, slots=True)
class Chip:
    """A reason, and how many stand still for it."""

    code: str
    n: int

    @property
    def label(self) -> str:
        return LABELS.get(self.code, self.code.replace("_", " ").capitalize())


def chips(found: Sequence[Item]) -> list[Chip]:
    """The reasons among them, in the order of the worst of each."""
    codes = list(dict.fromkeys(item.code for item in found))
    return [Chip(code, sum(item.code == code for item in found)) for code in codes]
