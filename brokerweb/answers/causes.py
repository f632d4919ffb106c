"""What dead letters died of: those with one fingerprint are one cause, over all that somebody may browse."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from brokerweb.core import clock
from brokerweb.core.cursors import digest, seal, unseal
from brokerweb.core.errors import Invalid
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.jobs.destinations import EVERYWHERE, Destination, Within, browsable, with_dead
from brokerweb.queues import browse
from brokerweb.queues.fingerprints import telling_line
from brokerweb.queues.messages import json_ids, parse_place
from brokerweb.queues.models import Message
from brokerweb.queues.represent import message_object
from brokerweb.queues.selection import Q
from brokerweb.storage.reading import Reads, lenient, read, snapshot

HOURS = 24
DAY = HOURS * 3600 * clock.SECOND
FAR = 2**63 - 1
NAMED = 100  # queues of one cause that are named
PAGE = 50
_numbers = msgspec.json.Decoder(list[int]).decode


@dataclass
class Cause:
    """One cause, and in which destinations it is how often."""

    fingerprint: str | None  # none yet: of before there were fingerprints, for as long as it takes to give them theirs
    count: int = 0
    again: int = 0  # of those, how many had been redriven before
    first_at: int = FAR
    last_at: int = 0
    newest: int = 0  # the highest id of them
    hours: list[int] = field(default_factory=lambda: [0] * HOURS)
    within: Mapping[int, int] = field(default_factory=dict)  # how many, by the id of the queue

    def queues(self, there: Iterable[Destination]) -> list[Destination]:
        """Those of the destinations in which it is, that which has the most first; those alike as they came."""
        return sorted((each for each in there if each.queue_id in self.within), key=lambda each: -self.within[each.queue_id])

    @property
    def order(self) -> tuple[int, str]:
        """The most frequent first."""
        return -self.count, self.fingerprint or ""


class Causes(NamedTuple):
    """Some causes, the most frequent first, and the cursor of the page after."""

    items: list[dict[str, Any]]
    next: str | None


def groups(
    principal: Principal, within: Within = EVERYWHERE, since: int | None = None, limit: int = PAGE, after: str | None = None
) -> Causes:
    """A page of the causes of what died since an instant of the wall. Raises Invalid for a cursor of another list."""
    there = browsable(principal, (each for each, _ in read(with_dead)), within)
    return _page(principal, there, since, limit, after=after, listed=digest("causes", within, since))


def groups_of(
    principal: Principal, queue: Destination, since: int | None = None, limit: int = PAGE, after: str | None = None
) -> Causes:
    """The same of one queue."""
    return _page(principal, [queue], since, limit, after=after, listed=digest("causes of", queue.queue_id, since))


def _page(
    principal: Principal, there: Sequence[Destination], since: int | None, limit: int, *, after: str | None, listed: bytes
) -> Causes:
    died_since = -1 if since is None else clock.from_wall(since)
    found = read(counted, there, died_since)
    start = 0 if after is None else _place(found, unseal(after, listed))
    items = _shown(principal, found[start : start + limit], there)
    if not items or start + len(items) == len(found):
        return Causes(items, None)
    last = found[start + len(items) - 1]
    return Causes(items, seal(listed, f"{last.count} {last.fingerprint or ''}"))


def _place(found: Sequence[Cause], position: str) -> int:
    """Where the page after that cause begins, though counts may have changed since."""
    count, space, fingerprint = position.partition(" ")
    if not (space and count.isascii() and count.isdigit() and len(count) <= 19):
        raise Invalid.at("/after", "is not a cursor")
    return sum(each.order <= (-int(count), fingerprint) for each in found)


def counted(reads: Reads, there: Iterable[Destination], since: int = -1) -> list[Cause]:
    """The causes of what died in these since an instant of the broker's clock; the most frequent first."""
    found: dict[str | None, Cause] = {}
    queues = json_ids(each.queue_id for each in there)
    with snapshot(reads):
        for fingerprint, *sums, within, each in reads.rows(Q.causes, queues, since):
            cause = found[fingerprint] = Cause(fingerprint, *sums)
            cause.within = dict(zip(_numbers(within), _numbers(each), strict=True))
        now = clock.now()
        for fingerprint, ago, n in reads.rows(Q.cause_hours, queues, max(since, now - DAY + 1), now):
            found[fingerprint].hours[HOURS - 1 - max(0, ago)] += n
    return sorted(found.values(), key=lambda cause: cause.order)


def _shown(principal: Principal, causes: Sequence[Cause], there: Sequence[Destination]) -> list[dict[str, Any]]:
    """As answers show them, as many as have room with their samples."""
    ids = browse.whole_in_one_answer([cause.newest for cause in causes])
    with lenient():
        samples = Message.objects.in_bulk(ids)
    return [_object(principal, cause, cause.queues(there), samples.get(cause.newest)) for cause in causes[: len(ids)]]


def _object(principal: Principal, cause: Cause, queues: Sequence[Destination], found: Message | None) -> dict[str, Any]:
    where = next((each for each in queues if found is not None and each.queue_id == found.queue_id), queues[0])
    veil = masks.veil(principal, *where.permit)
    example = None if found is None else sample(found, where, veil)
    return {
        "fingerprint": cause.fingerprint,
        "reason": None if found is None else found.reason,
        "error": None if found is None else telling_line(veil.over(found).last_error) or None,
        "sample": example,
        "queues": [each.name if each.group is None else each.label for each in queues[:NAMED]],
        "destinations": len(queues),
        "count": cause.count,
        "first_at": clock.rfc3339(clock.to_wall(cause.first_at)),
        "last_at": clock.rfc3339(clock.to_wall(cause.last_at)),
        "hours": cause.hours,
        "again": round(cause.again / cause.count, 4),
    }


def sample(message: Message, destination: Destination, veil: Veil) -> dict[str, Any]:
    """A message as browsing shows it, with where it is."""
    place = parse_place(message.route) if destination.group is not None else None
    where = {} if place is None else {"partition": place[0], "offset": str(place[1])}
    return {**destination.shown(), **message_object(message, veil), **where}
