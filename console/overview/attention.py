"""What on the overview deserves a look: what stands still, what died of what, what failed or leads nowhere; by damage, and those
that are alike in one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from django.urls import reverse
from django.utils.safestring import SafeString

from brokerweb.answers.verdicts.reading import Every
from brokerweb.console.acts import Act
from brokerweb.console.causes import reading as causes
from brokerweb.console.causes.reading import Cause
from brokerweb.console.jobs.reading import failed
from brokerweb.console.rights import visible
from brokerweb.console.stuck import reading as stuck
from brokerweb.console.stuck.reading import LABELS, Item
from brokerweb.console.templatetags.brokerweb_console import seconds_since
from brokerweb.identity.principal import Principal
from brokerweb.routing import topics

LOOKED_AT = 100  # of what stands still, the worst; all of it is counted
ALONE, FOLDED = 2, 4  # so many of a kind stand by themselves, once there are so many; the others share a line
LONGEST = 3_600.0  # seconds for which one more dead letter, job or binding counts at most: it waits for a word, not for a turn
BEHIND = "falling_behind"
MILD = frozenset({"paused", "full", BEHIND})
ICONS = {"falling_behind": "clock", "paused": "pause", "no_consumer": "nobody", "no_members": "nobody", "unowned": "nobody"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: where to look into it, what it is in a sentence, since when, and what is done about it first.

    ``damage`` is messages held × seconds; findings of one ``kind`` fold.
    """

    key: str
    kind: str
    level: str
    icon: str
    name: str
    url: str
    text: str
    damage: float
    since_at: datetime | None = None
    act: Act | None = None
    of: tuple[str, str] = ("", "")  # the queue, or the stream and group, that stands still
    spark: SafeString | str = ""  # how much there was lately


class Findings(NamedTuple):
    """What a page shows of them, how many there are, and how many things stand still for how many messages."""

    shown: list[Finding]
    total: int
    standing: int
    held: int
    longest: float | None


def findings(principal: Principal, every: Every) -> Findings:
    """All that was found, the worst first; ``every`` queue was read for what else the page shows."""
    still = stuck.listed(principal, LOOKED_AT, also_behind=True, every=every)
    unseen = still.total - sum(item.code != BEHIND for item in still.items)
    found = [_standing(item) for item in still.items]
    found += [_of_cause(cause) for cause in causes.listed(principal)]
    found += [*_of_jobs(principal), *_of_topics(principal)]
    longest = None if still.oldest_at is None else seconds_since(still.oldest_at)
    return Findings(_folded(found, more=unseen > 0), len(found) + unseen, still.total, still.held, longest)


def _folded(found: Iterable[Finding], *, more: bool) -> list[Finding]:
    """``more``: other things stand still than those that were looked at."""
    kinds: dict[str, list[Finding]] = {}
    for finding in sorted(found, key=lambda f: (-f.damage, f.name)):
        kinds.setdefault(finding.kind, []).append(finding)
    shown = [part for kind, alike in kinds.items() for part in _few(alike, more=more and kind in LABELS)]
    return sorted(shown, key=lambda f: -f.damage)


def _few(alike: list[Finding], *, more: bool) -> list[Finding]:
    if len(alike) < FOLDED:
        return alike
    others = alike[ALONE:]
    first, names = others[0], ", ".join(finding.name for finding in others[:3])
    text = f"{TOO.get(first.kind, 'too')}: {names}{' and others' if len(others) > 3 else ''}"
    place = _list_of(first.kind)
    return [
        *alike[:ALONE],
        Finding(
            f"more-{first.kind}",
            first.kind,
            first.level,
            first.icon,
            f"{len(others):,}{'+' if more else ''} more",
            place,
            text,
            sum(finding.damage for finding in others),
            min((f.since_at for f in others if f.since_at), default=None),
            Act("All of them", place, first.kind),
        ),
    ]


def _list_of(kind: str) -> str:
    """The page of all of a kind."""
    page, query = LISTS.get(kind, ("stuck", f"?why={kind}"))
    return reverse(f"brokerweb_console:{page}") + query


def _standing(item: Item) -> Finding:
    level, icon = "warn" if item.code in MILD else "bad", ICONS.get(item.code, "stuck")
    damage = item.held * seconds_since(item.oldest_at)
    since = item.since_at or item.oldest_at
    of = item.name, item.group
    return Finding(item.key, item.code, level, icon, item.label, item.url, item.text, damage, since, item.act, of)


def _of_cause(cause: Cause) -> Finding:
    n, place = cause.count, cause.url
    text = f"{n:,} dead letter{'s' * (n != 1)} in {', '.join(place.name for place in cause.places)}"
    if cause.more_places:
        text += f" and {cause.more_places} more"
    damage = sum(cause.hours) * min(LONGEST, seconds_since(cause.first_at))
    act = Act("Plan a redrive", cause.plan_url, cause.title) if cause.may_manage else Act("Look", place, cause.title)
    return Finding(f"cause-{cause.fingerprint}", "dead", "bad", "dead", cause.title, place, text, damage, cause.first_at, act)


def _of_jobs(principal: Principal) -> Iterator[Finding]:
    for job in failed(principal):
        place = reverse("brokerweb_console:job", args=[job.pk])
        if job.state == "failed":
            text = f"failed: {job.kind} of {job.target}"
        else:
            text = f"could not {job.kind} {job.failed:,} of {job.done + job.failed:,} of {job.target}"
        damage = job.failed * min(LONGEST, seconds_since(job.finished_at) if job.finished_at else 0.0)
        act = Act("Look", place, f"job {job.pk}")
        yield Finding(f"job-{job.pk}", "jobs", "bad", "jobs", f"Job {job.pk}", place, text, damage, job.finished_at, act)


def _of_topics(principal: Principal) -> Iterator[Finding]:
    may = visible(principal, "topic")
    for name, targets in topics.astray().items():
        if may(name):
            place = reverse("brokerweb_console:bindings", args=[name])
            what = f"{targets[0]}, which is" if len(targets) == 1 else f"{len(targets)} destinations that are"
            act = Act("Bindings", place, name)
            yield Finding(f"topic-{name}", "astray", "bad", "topics", name, place, f"leads to {what} not there", 0.0, None, act)


TOO = {"dead": "causes", "jobs": "failed, too", "astray": "lead nowhere, too", BEHIND: "fall behind, too"} | {
    code: f"stand still for the same reason ({label.lower()})" for code, label in LABELS.items()
}
LISTS = {"dead": ("causes", ""), "jobs": ("jobs", ""), "astray": ("topics", ""), BEHIND: ("queues", "?show=busy")}
