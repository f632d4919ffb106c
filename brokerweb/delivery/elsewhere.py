"""What goes on at other nodes, as they told it last: kept in memory, so that whoever asks about a queue waits for nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from brokerweb.core import remembered


class Waiting(NamedTuple):
    """Who waits for messages of one queue: how many subscriptions, and some of all who take, as ``consumers.Taking``."""

    subscriptions: int
    some: list[list[Any]]


class Told(NamedTuple):
    """What one node told."""

    queues: Mapping[int, Waiting]
    in_use: frozenset[int]  # queues with consumers or traffic
    connections: int
    sums: Mapping[str, int]  # events of all its queues since it started
    readers: Sequence[tuple[str, str, str, float]] = ()  # some who read streams, as ``connections.Reader``


_told: dict[str, Told] = {}


def note(node: str, told: Told | None) -> None:
    """A node has told that; None: it is there no more. What others read meanwhile stays whole."""
    global _told
    _told = {name: of for name, of in _told.items() if name != node} | ({} if told is None else {node: told})


def forget() -> None:
    """No broker runs here any more."""
    global _told
    _told = {}


remembered.of_run(forget)


def nodes() -> list[str]:
    return list(_told)


def takings(queue_ids: Iterable[int] | None) -> dict[int, list[list[Any]]]:
    """By queue, those who take from these, or from any."""
    wanted = None if queue_ids is None else set(queue_ids)
    found: dict[int, list[list[Any]]] = {}
    for told in _told.values():
        for queue_id in told.queues if wanted is None else wanted & told.queues.keys():
            found.setdefault(queue_id, []).extend(told.queues[queue_id].some)
    return found


def consumers() -> Counter[int]:
    """How many subscriptions wait for messages of each queue, by its id."""
    found = Counter[int]()
    for told in _told.values():
        for queue_id, waiting in told.queues.items():
            found[queue_id] += waiting.subscriptions
    return found


def in_use() -> set[int]:
    """The queues with consumers or traffic."""
    return set[int]().union(*(told.in_use for told in _told.values()))


def connections() -> int:
    """How many there are."""
    return sum(told.connections for told in _told.values())


def readers() -> list[tuple[str, str, str, float]]:
    """Some who read streams, as ``connections.Reader``."""
    return [reader for told in _told.values() for reader in told.readers]


def sums() -> Counter[str]:
    """Events of all queues since their nodes started."""
    found = Counter[str]()
    for told in _told.values():
        found.update(told.sums)
    return found
