"""Dead letters counted: by queue, by shared consumer group, and all of them for the navigation's badge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from brokerweb.console.rights import visible
from brokerweb.console.rows import GroupCount
from brokerweb.identity.principal import Principal
from brokerweb.jobs.destinations import Destination, with_dead
from brokerweb.storage.reading import read


def total(principal: Principal) -> int:
    """How many there are where the person may browse: of queues, and of shared consumer groups."""
    return sum(n for _, n in _visible(principal, "queue", "stream"))


class Having(NamedTuple):
    """A queue, without its settings, and how many dead letters it has."""

    pk: int
    name: str
    n: int


def by_queue(principal: Principal) -> list[Having]:
    """The queues with dead letters the person may browse, by name."""
    return [Having(each.queue_id, each.name, n) for each, n in _visible(principal, "queue")]


def by_group(principal: Principal) -> list[GroupCount]:
    """Shared groups with dead letters, and how many, by stream and name."""
    return sorted(GroupCount(each.name, each.group or "", n) for each, n in _visible(principal, "stream"))


def _visible(principal: Principal, *kinds: str) -> Iterator[tuple[Destination, int]]:
    may = {kind: visible(principal, kind) for kind in kinds}
    for each, n in read(with_dead):
        if each.kind in may and may[each.kind](each.name):
            yield each, n
