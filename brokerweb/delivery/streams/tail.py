"""The live end of a partition: one per partition and process, fed by the commits of this process.

Whoever has read to the end is sent what is appended, the same run of records to everybody, so that it need be encoded
once only. Whoever cannot take it falls behind, reads by itself, and comes back: nobody waits for it, and it misses nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.streams.records import StoredRecord

RUN = 100  # records of one frame to everybody: less than the smallest window that is usual


class Run:
    """Records of one partition in order. ``encoded`` is the faces': what they made of it, by whatever name they give that."""

    __slots__ = ("encoded", "first", "next", "records", "size")

    def __init__(self, records: Sequence[StoredRecord]) -> None:
        self.records = records
        self.first, self.next = records[0].offset, records[-1].offset + 1
        self.size = sum(len(record.body) for record in records)
        self.encoded: dict[Any, Any] = {}

    def __len__(self) -> int:
        return len(self.records)


def runs(records: Sequence[StoredRecord]) -> Iterator[Run]:
    """The records cut into runs that fit a frame; a larger record goes alone."""
    start = size = 0
    for i, record in enumerate(records):
        length = len(record.body)
        if i > start and (size + length > ANSWER_BYTES or i - start >= RUN):
            yield Run(records[start:i])
            start, size = i, 0
        size += length
    if start < len(records):
        yield Run(records[start:])


class Follower(Protocol):
    """Whoever follows a partition."""

    def offer(self, tail: Tail, run: Run) -> None:
        """The next records, for one that is live."""

    def pump(self) -> None:
        """There is more to read: it is live no longer."""


class Tail:
    """``end`` is the next offset as far as this process knows; ``live`` are the followers that have read up to it."""

    def __init__(self, partition_id: int) -> None:
        self.partition_id = partition_id
        self.end = 0
        self.asked = False  # where the partition ends, since this is here to be told of appends
        self.live: set[Follower] = set()
        self.followers: set[Follower] = set()  # live or behind

    def appended(self, first: int, records: list[StoredRecord]) -> None:
        """These were committed. What is known already is not news; behind a gap everybody has to read."""
        beyond = first + len(records)
        if beyond <= self.end:
            return
        if first > self.end or not self.live:
            self.known(beyond)
            return
        self.end = beyond
        for run in runs(records):
            for follower in tuple(self.live):
                follower.offer(self, run)

    def known(self, end: int) -> None:
        """The partition ends there: who has not read so far has to."""
        if end > self.end:
            self.end = end
            self.live.clear()
            for follower in tuple(self.followers):
                follower.pump()
