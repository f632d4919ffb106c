"""What on the overview deserves a look: findings by severity, worst and oldest first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.urls import reverse

from brokerweb.identity.principal import Principal
from console import job_reading, stream_reading
from console.reading import Row
from console.templatetags.console import age, span

OLD = 300.0  # seconds a ready message may wait before it is worth a finding
MOST = 12
_RANK = {"bad": 0, "warn": 1}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a queue, group, job or topic; ``url`` is where to look into it. ``weight`` orders those of one level."""

    level: str
    icon: str
    name: str
    text: str
    url: str
    since: str = ""
    weight: float = 0.0


def findings(principal: Principal, rows: Iterable[Row]) -> list[Finding]:
    """The findings, the most pressing first, at most a dozen."""
    found = [finding for row in rows for finding in _of(row)]
    found += [*_of_groups(principal), *_of_jobs(principal)]
    return sorted(found, key=lambda f: (_RANK[f.level], -f.weight, f.name))[:MOST]


def _of_groups(principal: Principal) -> Iterator[Finding]:
    for stream, group, n in stream_reading.behind(principal):
        text = f"has {n:,} record{'s' * (n != 1)} left to read and no members"
        yield Finding("warn", "nobody", f"{stream}, {group}", text, reverse("console:group", args=[stream, group]), weight=n)
    for stream, group, n in stream_reading.with_dead(principal):
        text = f"has {n:,} dead letter{'s' * (n != 1)}"
        yield Finding("bad", "dead", f"{stream}, {group}", text, reverse("console:group-dead", args=[stream, group]), weight=n)


def _of_jobs(principal: Principal) -> Iterator[Finding]:
    for job in job_reading.failed(principal):
        since = f"{age(job.finished_at)} ago"
        yield Finding("bad", "jobs", f"Job {job.pk}", f"failed: {job.kind} of {job.target}", url_of_job(job.pk), since)


def url_of_job(job_id: int) -> str:
    return reverse("console:job", args=[job_id])


def _of(row: Row) -> list[Finding]:
    found = []
    place = reverse("console:queue", args=[row.name])
    ready, dead = row.counts["ready"], row.counts["dead"]
    since = f"oldest {span(row.oldest)}" if row.oldest is not None else ""
    if dead:
        text = f"has {dead:,} dead letter{'s' * (dead != 1)}"
        found.append(Finding("bad", "dead", row.name, text, f"{reverse('console:dead')}?queue={row.name}", weight=dead))
    if row.paused:
        text = f"is paused, {row.waiting:,} waiting"
        found.append(Finding("warn", "pause", row.name, text, place, since, row.waiting))
    elif row.unattended:
        text = f"has {ready:,} message{'s' * (ready != 1)} ready and no consumer"
        found.append(Finding("bad", "nobody", row.name, text, place, since, row.oldest or 0))
    elif row.oldest is not None and row.oldest > OLD:
        text = "is behind: its consumers do not keep up"
        found.append(Finding("warn", "clock", row.name, text, place, since, row.oldest))
    return found
