"""Everything that stands still, worst first: messages held times how long the oldest of them waits.

The verdicts are those of queues and groups; which of them count here, and from when on, is in docs/answers.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from brokerweb.answers import verdicts
from brokerweb.answers.verdicts import groups, of_group, of_queue, reading
from brokerweb.answers.verdicts.reading import Every
from brokerweb.answers.verdicts.standing import GroupStanding, QueueStanding
from brokerweb.answers.verdicts.verdict import Verdict, instant
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, read

SHORT = 10.0  # seconds: a wait up to here is ordinary, whatever the verdict
STILL = ("trimmed", "no_members", "unowned", "silent", "failing")  # codes of groups


class Item(NamedTuple):
    """One queue or group that stands still. ``held`` messages wait, the oldest since ``oldest_at``."""

    destination: str
    group: str | None
    verdict: Verdict
    held: int
    oldest_at: int

    def as_json(self) -> dict[str, Any]:
        return {
            "destination": self.destination,
            "group": self.group,
            "verdict": self.verdict.as_json(),
            "held": self.held,
            "oldest_at": instant(self.oldest_at),
        }


class _Found(NamedTuple):
    """One of them, before its sentence is made: only those that are shown have one."""

    standing: QueueStanding | GroupStanding
    held: int
    oldest_at: int
    damage: float


class Stuck(NamedTuple):
    """The worst ``items``; of all that stands still how many things that are, what they hold, and since when the oldest waits."""

    items: list[Item]
    total: int
    held: int
    oldest_at: int | None


def stuck(principal: Principal, limit: int = 50) -> list[Item]:
    """What stands still of what the asker may browse."""
    return look(principal, limit).items


def look(principal: Principal, limit: int, *, also_behind: bool = False, every: Every | None = None) -> Stuck:
    """The same with sums; ``also_behind``: also items to which more comes than goes, in no sum. ``every`` was read before."""
    queues, of_groups = read(_read, principal, every)
    still = [found for found in (*map(_still, queues), *map(_still_group, of_groups)) if found is not None]
    behind: list[_Found | None] = []
    if also_behind:
        known = {id(found.standing) for found in still}
        behind += [_behind(queue) for queue in queues if id(queue) not in known]
        behind += [_behind_group(group) for group in of_groups if id(group) not in known]
    worst = sorted((*still, *filter(None, behind)), key=lambda found: -found.damage)[:limit]
    names = reading.last_consumers(_queue_ids(worst))
    items = [_item(principal, each, names) for each in worst]
    return Stuck(items, len(still), sum(each.held for each in still), min((each.oldest_at for each in still), default=None))


def _read(reads: Reads, principal: Principal, known: Every | None) -> tuple[list[QueueStanding], list[GroupStanding]]:
    """Every queue that holds something, and every group, of those that may be browsed."""
    may_queue, may_stream = principal.allowing("browse", "queue"), principal.allowing("browse", "stream")
    every, counts = known or reading.every_queue(reads)
    rows = [
        row
        for row in every
        if (has := counts.get(row.id)) is not None and (has["ready"] or has["leased"] or has["blocked"] or row.stream is not None)
        if row.stream is not None or may_queue(row.name)
    ]
    standings = reading.queues(reads, rows, counts)
    hidden = {standing.id: standing for row, standing in zip(rows, standings, strict=True) if row.stream is not None}
    found = [row for row in groups.every_group(reads) if may_stream(row.stream)]
    shared = {
        row.queue_id: verdicts.as_group(hidden[row.queue_id], row.stream, row.name) for row in found if row.queue_id in hidden
    }
    return [s for s in standings if s.id not in hidden], groups.every(reads, found, shared)


def _still(queue: QueueStanding) -> _Found | None:
    codes = of_queue.stops(queue)
    if not codes:
        return None
    held = queue.head.held if codes == ["key_stuck"] and queue.head is not None else queue.count("ready", "blocked", "leased")
    stuck = "stuck" in codes
    oldest = _first(queue.oldest_at, queue.silent_since if stuck else None, queue.head.oldest_at if queue.head else None)
    return _counted(queue, held, oldest, own_line=stuck)


def _behind(queue: QueueStanding) -> _Found | None:
    if "falling_behind" not in of_queue.holding(queue):
        return None
    return _counted(queue, of_queue.waits(queue), queue.oldest_at, own_line=False)


def _still_group(group: GroupStanding) -> _Found | None:
    if not any(code in STILL for code in of_group.holding(group)):
        return None
    silent = of_group.silent_since(group)
    oldest = _first(group.oldest_at, silent, group.failing.since if group.failing is not None else None)
    return _counted(group, group.lag, group.created_at if oldest is None else oldest, own_line=silent is not None)


def _behind_group(group: GroupStanding) -> _Found | None:
    if "falling_behind" not in of_group.holding(group):
        return None
    return _counted(group, group.lag, group.oldest_at, own_line=False)


def _first(*instants: int | None) -> int | None:
    known = [at for at in instants if at is not None]
    return min(known) if known else None


def _counted(standing: QueueStanding | GroupStanding, held: int, oldest_at: int | None, *, own_line: bool) -> _Found | None:
    """None for an ordinary short wait. ``own_line``: the verdict itself says for how long it must have lasted."""
    if oldest_at is None or not held:
        return None
    age = standing.age(oldest_at)
    return _Found(standing, held, oldest_at, held * age) if own_line or age >= SHORT else None


def _queue_ids(found: list[_Found]) -> list[int]:
    standings = [each.standing for each in found]
    queues = [s if isinstance(s, QueueStanding) else s.queue for s in standings]
    return [queue.id for queue in queues if queue is not None]


def _item(principal: Principal, found: _Found, names: dict[int, str]) -> Item:
    standing = found.standing
    if isinstance(standing, QueueStanding):
        verdict = verdicts.of_standing(principal, verdicts.with_name(standing, names))
        return Item(f"queue:{standing.name}", None, verdict, found.held, found.oldest_at)
    if standing.queue is not None:
        standing = replace(standing, queue=verdicts.with_name(standing.queue, names))
    verdict = verdicts.of_group_standing(principal, standing)
    return Item(f"stream:{standing.stream}", standing.name, verdict, found.held, found.oldest_at)
