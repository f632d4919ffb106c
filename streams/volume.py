"""How many records were appended when, without looking at every one of them: where in each partition some instants lie.

Of streams of very many partitions some of that is guessed, and the answer says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from brokerweb.core.edges import MOST_LOOKS, Look, Search, Searches
from brokerweb.storage.reading import Reads
from brokerweb.streams.definitions import PartitionRow, Q
from brokerweb.streams.models import MAX_OFFSET, OFFSET_BITS


class Volume(NamedTuple):
    """How many records were appended between instants, each with the next."""

    edges: Sequence[int]
    offsets: Mapping[int, Sequence[int]]  # by partition: the first offset appended at each edge or later
    exact: bool

    @property
    def counts(self) -> list[int]:
        """Offsets given between each edge and the next: as many records, unless compaction has taken some."""
        steps = [[there - here for here, there in pairwise(offsets)] for offsets in self.offsets.values()]
        return [sum(step) for step in zip(*steps, strict=True)]


def instants_among(reads: Reads, places: Sequence[tuple[PartitionRow, int]]) -> dict[tuple[int, int], Look]:
    """By a partition's number and an offset, the first record from there on; nothing where there is none before its end."""
    if not places:
        return {}
    partitions = {partition.id: partition for partition, _ in places}
    asked = ",".join(str(partition.record_id(offset)) for partition, offset in places)
    found = {}
    for first, id, at in reads.rows(Q.instants_among, f"[{asked}]"):
        partition, look = partitions[first >> OFFSET_BITS], Look(id & MAX_OFFSET, at)
        if look.number < partition.end:
            found[partition.number, first & MAX_OFFSET] = look
    return found


def span(reads: Reads, partitions: Sequence[PartitionRow]) -> tuple[int, int] | None:
    """When the oldest record of these partitions was appended, and when the newest; None without any."""
    filled = [partition for partition in partitions if partition.low < partition.end]
    firsts = instants_among(reads, [(partition, partition.low) for partition in filled])
    if not firsts:
        return None
    first = min(look.at for look in firsts.values())
    return first, max(first, *(partition.last_at for partition in filled))


def volume(reads: Reads, partitions: Sequence[PartitionRow], edges: Sequence[int], most: int = MOST_LOOKS) -> Volume:
    """How many records of a stream's partitions were appended between each of the edges, which are in order, and the next."""
    numbered = {partition.number: partition for partition in partitions}
    rows = {number: Search(partition.low, partition.end, edges) for number, partition in numbered.items()}
    searches = Searches(rows, lambda places: instants_among(reads, [(numbered[number], offset) for number, offset in places]))
    exact = searches.run(most)
    return Volume(edges, {number: row.found() for number, row in rows.items()}, exact)
