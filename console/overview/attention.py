"""What on the overview deserves a look: findings by kind, the most pressing first, a few of each and how many more there are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from django.urls import reverse

from brokerweb.console import dead_counts
from brokerweb.console.groups.reading import behind
from brokerweb.console.jobs.reading import failed
from brokerweb.console.rights import visible
from brokerweb.console.rows import QueueRow
from brokerweb.console.templatetags.brokerweb_console import age, span
from brokerweb.identity.principal import Principal
from brokerweb.routing import topics

OLD = 300.0  # seconds a ready message may wait before it is worth a finding
EACH = 4  # of a kind; one more line says how many others there are


@dataclass(frozen=True, slots=True)
class Kind:
    """What may be found: how bad that is, its icon, the words for those beyond the first few, and the list of all of them."""

    level: str
    icon: str
    others: str
    listing: str
    query: str = ""

    @property
    def url(self) -> str:
        return reverse(f"brokerweb_console:{self.listing}") + self.query


DEAD = Kind("bad", "dead", "with dead letters", "dead")
FAILED = Kind("bad", "jobs", "failed", "jobs")
ASTRAY = Kind("bad", "topics", "leading nowhere", "topics")
UNATTENDED = Kind("bad", "nobody", "with messages ready and no consumer", "queues", "?show=unattended")
PAUSED = Kind("warn", "pause", "paused", "queues", "?show=paused")
BEHIND = Kind("warn", "clock", "falling behind", "queues", "?show=busy")
UNREAD = Kind("warn", "nobody", "that nobody reads for", "streams")
KINDS = (DEAD, FAILED, ASTRAY, UNATTENDED, PAUSED, BEHIND, UNREAD)  # the most pressing first


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a queue, group, job or topic; ``url`` is where to look into it. ``weight`` orders those of one kind."""

    kind: Kind
    name: str
    text: str
    url: str
    since: str = ""
    weight: float = 0.0


class Findings(NamedTuple):
    """What a page shows of them, and how many there are."""

    shown: list[Finding]
    total: int


def findings(principal: Principal, rows: Iterable[QueueRow]) -> Findings:
    """All that was found, by kind, cut to a few of each."""
    found = [finding for row in rows for finding in _of_queue(row)]
    found += [*_of_groups(principal), *_of_jobs(principal), *_of_topics(principal)]
    return Findings([shown for kind in KINDS for shown in _few(kind, [f for f in found if f.kind is kind])], len(found))


def _few(kind: Kind, found: list[Finding]) -> list[Finding]:
    first = sorted(found, key=lambda f: (-f.weight, f.name))[:EACH]
    more = len(found) - len(first)
    if more:
        first.append(Finding(kind, f"{more:,} more", kind.others, kind.url))
    return first


def _of_groups(principal: Principal) -> Iterator[Finding]:
    for stream, group, n in behind(principal):
        text = f"has {n:,} record{'s' * (n != 1)} left to read and no members"
        yield Finding(UNREAD, f"{stream}, {group}", text, reverse("brokerweb_console:group", args=[stream, group]), weight=n)
    for stream, group, n in dead_counts.by_group(principal):
        yield Finding(
            DEAD, f"{stream}, {group}", _dead(n), reverse("brokerweb_console:group-dead", args=[stream, group]), weight=n
        )


def _of_jobs(principal: Principal) -> Iterator[Finding]:
    for job in failed(principal):
        since, place = f"{age(job.finished_at)} ago", reverse("brokerweb_console:job", args=[job.pk])
        if job.state == "failed":
            text = f"failed: {job.kind} of {job.target}"
        else:
            text = f"could not {job.kind} {job.failed:,} of {job.done + job.failed:,} of {job.target}"
        yield Finding(FAILED, f"Job {job.pk}", text, place, since, job.pk)


def _of_topics(principal: Principal) -> Iterator[Finding]:
    may = visible(principal, "topic")
    for name, targets in topics.astray().items():
        if may(name):
            what = f"{targets[0]}, which is" if len(targets) == 1 else f"{len(targets)} destinations that are"
            yield Finding(ASTRAY, name, f"leads to {what} not there", reverse("brokerweb_console:bindings", args=[name]))


def _of_queue(row: QueueRow) -> list[Finding]:
    found = []
    place = reverse("brokerweb_console:queue", args=[row.name])
    ready, dead = row.counts["ready"], row.counts["dead"]
    since = f"oldest {span(row.oldest)}" if row.oldest is not None else ""
    if dead:
        found.append(Finding(DEAD, row.name, _dead(dead), f"{reverse('brokerweb_console:dead')}?queue={row.name}", weight=dead))
    if row.paused:
        found.append(Finding(PAUSED, row.name, f"is paused, {row.waiting:,} waiting", place, since, row.waiting))
    elif row.unattended:
        text = f"has {ready:,} message{'s' * (ready != 1)} ready and no consumer"
        found.append(Finding(UNATTENDED, row.name, text, place, since, row.oldest or 0))
    elif row.oldest is not None and row.oldest > OLD:
        found.append(Finding(BEHIND, row.name, "is behind: its consumers do not keep up", place, since, row.oldest))
    return found


def _dead(n: int) -> str:
    return f"has {n:,} dead letter{'s' * (n != 1)}"
