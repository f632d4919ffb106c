"""Which queues and streams a search is about: those that are asked for, of those that the asker may browse.

A name that one may not browse is as one that is not there: it is never read, told or counted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from brokerweb.answers.search.conditions import QUEUES, STREAMS
from brokerweb.core.errors import Invalid
from brokerweb.core.names import glob
from brokerweb.identity import masks
from brokerweb.identity.grants import BROWSE, PATTERN
from brokerweb.identity.masks import CLEAR, Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements

MAX_PATTERNS = 100
Q = Statements("brokerweb.answers.search")
_COLLAPSED = re.compile(r"\*+")


class QueuePlace(NamedTuple):
    """A queue, and how many messages it holds by state."""

    id: int
    name: str
    counts: Sequence[int]  # by the numbers of the states
    veil: Veil = CLEAR  # what the asker does not see of its messages

    def count(self, states: Iterable[State]) -> int:
        return sum(map(self.counts.__getitem__, states))


class PartitionPlace(NamedTuple):
    """A partition of a stream, of ``partitions``."""

    id: int
    stream_id: int
    stream: str
    number: int
    low: int
    end: int
    records: int
    veil: Veil = CLEAR


class Scope(NamedTuple):
    """Queues by id, and partitions in the order of theirs."""

    queues: Mapping[int, QueuePlace]
    partitions: Sequence[PartitionPlace]

    def veils(self) -> Iterator[Veil]:
        """Those behind which something is."""
        places: Iterable[QueuePlace | PartitionPlace] = chain(self.queues.values(), self.partitions)
        return (place.veil for place in places if place.veil)


def parse(asked: Sequence[str]) -> tuple[str, ...]:
    """The patterns of ``in``, each once and in one order. Raises Invalid."""
    if len(asked) > MAX_PATTERNS:
        raise Invalid.at("/in", f"at most {MAX_PATTERNS} patterns")
    return tuple(sorted({_parse(text) for text in asked}))


def _parse(text: str) -> str:
    kind, _, pattern = text.partition(":")
    if kind not in (QUEUES, STREAMS) or not PATTERN.fullmatch(pattern):
        raise Invalid.at("/in", "queue:PATTERN or stream:PATTERN, a pattern of letters, digits, '.', '_', '-', '*' and '?'")
    return f"{kind}:{_COLLAPSED.sub('*', pattern)}"


def visible(reads: Reads, principal: Principal, patterns: Sequence[str], kinds: frozenset[str]) -> Scope:
    """What of the patterns the principal may browse; without patterns everything that they may."""
    queues: dict[int, QueuePlace] = {}
    partitions: list[PartitionPlace] = []
    if chosen := _chosen(principal, QUEUES, patterns) if QUEUES in kinds else None:
        veil = masks.veiling(principal, QUEUES)
        for id, name, *counts in reads.rows(Q.queues):
            if chosen(name):
                queues[id] = QueuePlace(id, name, counts, veil(name))
    if chosen := _chosen(principal, STREAMS, patterns) if STREAMS in kinds else None:
        found = (place for place in (PartitionPlace(*row) for row in reads.rows(Q.partitions)) if chosen(place.stream))
        veil = masks.veiling(principal, STREAMS)
        partitions = [place._replace(veil=veil(place.stream)) for place in found]
    return Scope(queues, partitions)


def _chosen(principal: Principal, kind: str, patterns: Sequence[str]) -> Callable[[str], bool] | None:
    """Whether a name is asked for and may be browsed; None where no name of the kind is asked for."""
    matches: list[Callable[[str], Any]] = []
    for pattern in patterns:
        of, _, names = pattern.partition(":")
        if of == kind:
            matches.append(glob(names).fullmatch)
    if patterns and not matches:
        return None
    may = principal.allowing(BROWSE, kind)
    return (lambda name: any(match(name) for match in matches) and may(name)) if matches else may
