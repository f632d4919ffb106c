"""Everything that stands still, worst first: messages held times how long the oldest of them waits.

The verdicts are those of queues and groups; which of them count here, and from when on, is in docs/answers.md.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from brokerweb.answers import verdicts
from brokerweb.answers.verdicts import groups, of_group, of_queue, reading
from brokerweb.answers.verdicts.standing import GroupStanding, QueueStanding
from brokerweb.answers.verdicts.verdict import Verdict, instant
from brokerweb.identity.principal import Principal
from brokerweb.storage.reading import Reads, read

SHORT = 10.0  # seconds: a wait up to here is ordinary, whatever the verdict
STILL = ("paused", "no_consumer", "stuck", "key_stuck", "full")  # codes of queues
STILL_GROUPS = ("trimmed", "no_members", "unowned", "silent", "failing")


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


def stuck(principal: Principal, limit: int = 50) -> list[Item]:
    """What stands still of what the asker may browse."""
    queues, of_groups = read(_read)
    found = [f for queue in queues if principal.may("browse", "queue", queue.name) if (f := _still(queue)) is not None]
    found += [
        f for group in of_groups if principal.may("browse", "stream", group.stream) if (f := _still_group(group)) is not None
    ]
    worst = sorted(found, key=lambda each: -each.damage)[:limit]
    names = reading.last_consumers(_queue_ids(worst))
    return [_item(principal, each, names) for each in worst]


def _read(reads: Reads) -> tuple[list[QueueStanding], list[GroupStanding]]:
    """Every queue and every group."""
    rows, counts = reading.every_queue(reads)
    standings = reading.queues(reads, rows, counts)
    hidden = {standing.id: standing for row, standing in zip(rows, standings, strict=True) if row.stream is not None}
    found = groups.every_group(reads)
    shared = {
        row.queue_id: verdicts.as_group(hidden[row.queue_id], row.stream, row.name) for row in found if row.queue_id in hidden
    }
    return [s for s in standings if s.id not in hidden], groups.every(reads, found, shared)


def _still(queue: QueueStanding) -> _Found | None:
    codes = [code for code in of_queue.holding(queue) if code in STILL]
    if not codes:
        return None
    held = queue.head.held if codes == ["key_stuck"] and queue.head is not None else queue.count("ready", "blocked", "leased")
    instants = (queue.oldest_at, queue.silent_since if queue.stuck else None, queue.head.oldest_at if queue.head else None)
    return _counted(queue, held, min((at for at in instants if at is not None), default=None), own_line=queue.stuck)


def _still_group(group: GroupStanding) -> _Found | None:
    if not any(code in STILL_GROUPS for code in of_group.holding(group)):
        return None
    silent = of_group.silent_since(group)
    instants = (group.oldest_at, silent, group.failing.since if group.failing is not None else None)
    oldest = min((at for at in instants if at is not None), default=None)
    return _counted(group, group.lag, group.created_at if oldest is None else oldest, own_line=silent is not None)


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
