"""What on the overview deserves a look: findings by severity, worst and oldest first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.urls import reverse

from console.reading import Row
from console.templatetags.console import span

OLD = 300.0  # seconds a ready message may wait before it is worth a finding
MOST = 12
_RANK = {"bad": 0, "warn": 1}


@dataclass(frozen=True, slots=True)
class Finding:
    """One queue and one thing about it. ``weight`` orders findings of one level."""

    level: str
    icon: str
    queue: str
    text: str
    since: str = ""
    weight: float = 0.0

    @property
    def url(self) -> str:
        """Where to look into it."""
        if self.icon == "dead":
            return f"{reverse('console:dead')}?queue={self.queue}"
        return reverse("console:queue", args=[self.queue])


def findings(rows: Iterable[Row]) -> list[Finding]:
    """The findings, the most pressing first, at most a dozen."""
    found = [finding for row in rows for finding in _of(row)]
    return sorted(found, key=lambda f: (_RANK[f.level], -f.weight, f.queue))[:MOST]


def _of(row: Row) -> list[Finding]:
    found = []
    ready, dead = row.counts["ready"], row.counts["dead"]
    since = f"oldest {span(row.oldest)}" if row.oldest is not None else ""
    if dead:
        text = f"has {dead:,} dead letter{'s' * (dead != 1)}"
        found.append(Finding("bad", "dead", row.name, text, weight=dead))
    if row.paused:
        text = f"is paused, {row.waiting:,} waiting"
        found.append(Finding("warn", "pause", row.name, text, since, row.waiting))
    elif row.unattended:
        text = f"has {ready:,} message{'s' * (ready != 1)} ready and no consumer"
        found.append(Finding("bad", "nobody", row.name, text, since, row.oldest or 0))
    elif row.oldest is not None and row.oldest > OLD:
        found.append(Finding("warn", "clock", row.name, "is behind: its consumers do not keep up", since, row.oldest))
    return found
