"""How many messages of a queue were published when, without looking at every one of them.

Ids are given in the order of publishing, as near as makes no difference to a picture. Those that are in flight are left out: no
index has them by their id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from brokerweb.core.edges import Look, Search, Searches
from brokerweb.queues.selection import Q
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads

COUNTED = (
    20_000  # messages that are counted one by one; of more the first of each part are, and the rest by how near their ids lie
)
MANY = 500
STATES = (State.SCHEDULED, State.READY, State.BLOCKED, State.DEAD)


class Published(NamedTuple):
    """How many messages were published between instants, each with the next; and by edge the first id from there on."""

    counts: Sequence[int]
    firsts: Sequence[int]
    exact: bool


class Rows(NamedTuple):
    """The messages of a queue in some states: by state the first and the last id, and how many there are."""

    queue_id: int
    ends: Mapping[State, tuple[int, int]]
    totals: Mapping[State, int]


def rows(reads: Reads, queue_id: int, states: Sequence[State], totals: Mapping[State, int]) -> Rows:
    """Where those of these states begin and end; none of a state that has none."""
    ends = {}
    for state in states:
        first, last = _first(reads, queue_id, state, [0]), reads.value(Q.last_in_state, queue_id, int(state))
        if first and last is not None:
            ends[state] = (first[0].number, max(last, first[0].number))
    return Rows(queue_id, ends, totals)


def span(reads: Reads, found: Rows) -> tuple[int, int] | None:
    """When the first of them was published, and when the last; None without any."""
    looks = [_first(reads, found.queue_id, state, [id]) for state, ends in found.ends.items() for id in ends]
    instants = [look.at for seen in looks for look in seen.values()]
    return (min(instants), max(instants)) if instants else None


def published(reads: Reads, found: Rows, edges: Sequence[int]) -> Published:
    """How many of them were published between each of the edges, which are in order, and the next."""

    def look(places: Sequence[tuple[State, int]]) -> dict[tuple[State, int], Look]:
        seen: dict[tuple[State, int], Look] = {}
        for state in found.ends:
            asked = [id for each, id in places if each == state]
            seen |= {(state, id): look for id, look in _first(reads, found.queue_id, state, asked).items()}
        return seen

    searches = {state: Search(first, last + 1, edges) for state, (first, last) in found.ends.items()}
    Searches(searches, look).run()
    counts, exact = [0.0] * (len(edges) - 1), True
    for state, search in searches.items():
        several, all_counted = _counted(reads, found, state, search.found())
        counts, exact = [a + b for a, b in zip(counts, several, strict=True)], exact and all_counted
    firsts = [min(ids) for ids in zip(*(search.found() for search in searches.values()), strict=True)]
    return Published([round(count) for count in counts], firsts, exact)


def _first(reads: Reads, queue_id: int, state: State, ids: Sequence[int]) -> dict[int, Look]:
    """From each of these ids on the first message in the state."""
    found = reads.rows(Q.published_among, queue_id, int(state), json.dumps(list(ids))) if ids else []
    return {first: Look(id, at) for first, id, at in found}


def _counted(reads: Reads, found: Rows, state: State, ids: Sequence[int]) -> tuple[list[float], bool]:
    """How many lie between each of these ids and the next, and whether that is exact."""
    most = COUNTED + 1 if sum(found.totals.values()) <= COUNTED else MANY
    froms, beyonds = list(ids[:-1]), list(ids[1:])
    rows = sorted(reads.rows(Q.counted_among, found.queue_id, int(state), json.dumps(froms), json.dumps(beyonds), most))
    counts = [float(count) for _, count, _ in rows]
    guessed = {n: most * (beyonds[n] - froms[n]) / (last + 1 - froms[n]) for n, _, last in rows if last is not None}
    if not guessed:
        return counts, True
    first, last = found.ends[state]
    left = found.totals[state] - sum(count for n, count in enumerate(counts) if n not in guessed)
    whole = ids[0] <= first and ids[-1] > last and left > 0  # nothing lies outside: it is known how many there are in all
    scale = left / sum(guessed.values()) if whole else 1.0
    return [guessed[n] * scale if n in guessed else count for n, count in enumerate(counts)], False
