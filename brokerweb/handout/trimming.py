"""Retention wins over shared groups: what nobody was done with of records that are gone ends as trimmed.

It is found outside of any commit, and only in groups whose stream begins later than when they were last read; it goes in
small batches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from brokerweb.core import events
from brokerweb.handout.refill import Q
from brokerweb.handout.shared_groups import remove_unfinished, unfinished_below
from brokerweb.storage.reading import Reads
from brokerweb.storage.transaction import Transaction

LIMIT = 500  # messages a batch
Lows = dict[int, int]  # partition number -> its oldest offset


class Overtaken(NamedTuple):
    """Messages of a group's queue whose records are gone."""

    queue_id: int
    ids: list[int]

    def batches(self) -> list[list[int]]:
        """The ids in parts that fit a commit."""
        return [self.ids[i : i + LIMIT] for i in range(0, len(self.ids), LIMIT)]


class Trimming:
    """Finds what is to be trimmed, and remembers where there was nothing, twice: what was being leased when retention passed
    may have been stored after the first look."""

    def __init__(self) -> None:
        self._clean: dict[int, Lows] = {}  # group id -> where its stream began when nothing was found
        self._seen: dict[int, Lows] = {}  # the same, of one look

    def overtaken(self, reads: Reads) -> list[Overtaken]:
        """What retention has overtaken by now. A record is never leased below where its partition begins."""
        found, clean, seen = [], dict[int, Lows](), dict[int, Lows]()
        for group_id, queue_id in reads.rows(Q.shared_groups):
            lows = {number: low for number, low in reads.rows(Q.lows, group_id)}  # noqa: C416 (rows of two, as mypy can see)
            known = self._clean.get(group_id) == lows
            ids = [] if known else unfinished_below(reads, queue_id, lows)
            if ids:
                found.append(Overtaken(queue_id, ids))
                continue
            seen[group_id] = lows
            if known or self._seen.get(group_id) == lows:
                clean[group_id] = lows
        self._clean, self._seen = clean, seen
        return found


def trim(tx: Transaction, queue_id: int, ids: Sequence[int]) -> int:
    """These end as trimmed, unless they ended otherwise meanwhile; how many that were."""
    trimmed = remove_unfinished(tx, queue_id, ids)
    tx.outcome.event(events.TRIMMED, queue_id, trimmed)
    return trimmed
