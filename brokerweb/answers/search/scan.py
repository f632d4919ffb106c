"""Looking through messages and records in turns: first messages, the newest first, then records, partition by partition.

A turn reads one range of ids, or some of the rows that may match in it; it ends within some tens of milliseconds. Every id is in
one range, and everything in a range is seen at one moment: whatever is there throughout is looked at once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from heapq import merge
from itertools import chain
from typing import Any, NamedTuple

from brokerweb.answers.search.conditions import QUEUES, STREAMS, Row, Subject
from brokerweb.answers.search.planner import Plan
from brokerweb.answers.search.scope import PartitionPlace, Q
from brokerweb.queues import fields as queue_fields
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.messages import json_ids
from brokerweb.queues.selection import Q as CONTROL
from brokerweb.queues.states import State
from brokerweb.storage.reading import Reads, snapshot
from brokerweb.storage.statements import Statement
from brokerweb.streams import fields as stream_fields
from brokerweb.streams.models import MAX_OFFSET, OFFSET_BITS

NARROWEST, FIRST_WIDTH, WIDEST = 64, 512, 1 << 18  # ids of a range
QUICK, SLOW = 0.01, 0.03  # seconds that a range's statement takes; the next is wider, or narrower
MANY = 2_000  # rows of a range that may match, from which on the next is narrower
NAMED = 1_000  # ids that an index names at once
COMPARED = 200  # rows of a turn
COMPARING = 0.03  # seconds of it


class Position(NamedTuple):
    """Where to go on: with messages below ``beyond``, or with records, below it in the partition and then in those behind.

    ``partition`` -1 is before all of them, where messages are.
    """

    partition: int = -1
    beyond: int = MAX_ID


class _Range(NamedTuple):
    """A range of ids, ``low`` inside and ``beyond`` outside, with how many rows it has, and which of them may match."""

    low: int
    beyond: int
    rows: int
    ids: Sequence[int]


class Scan:
    """Goes on from a position. ``scanned`` counts rows since the search began, whichever calls that took."""

    def __init__(self, plan: Plan, position: Position, scanned: int) -> None:
        self.plan, self.position, self.scanned = plan, position, scanned
        self.over = False
        self._width = FIRST_WIDTH
        self._range: _Range | None = None
        self._compared = 0  # of the range's ids
        self._partition: PartitionPlace

    def turn(self, reads: Reads) -> Iterator[Subject]:
        """Those that match, in order, as far as one turn goes. A caller who stops in its midst goes on behind the last."""
        if self._range is None:
            self._range, self._compared = self._next_range(reads), 0
        if self._range is not None:
            yield from self._matching(reads, self._range)
            if self._compared == len(self._range.ids):
                self._leave(self._range.low, self._range.rows)

    def put_back(self, subject: Subject) -> None:
        """The last that came is left to the next call."""
        if self._range is not None:
            self._compared = self._range.ids.index(subject.row.number)

    def settle(self, reads: Reads) -> None:
        """Give up the rest of a range that was begun: the position is behind what was compared, and the count is of that."""
        begun, compared = self._range, self._compared
        if begun is not None and compared == len(begun.ids):
            self._leave(begun.low, begun.rows)
        elif begun is not None and compared:
            low = begun.ids[compared - 1]
            self._leave(low, self._look(reads, low, begun.beyond).rows)
        self._range = None
        if not self.over:
            self._lowest_and_beyond(reads)  # which sees the end

    def _leave(self, low: int, rows: int) -> None:
        self.scanned += rows
        self.position = self.position._replace(beyond=low)
        self._range = None

    # Which rows match

    def _rows(self, reads: Reads, chosen: Sequence[int], kind: str) -> Iterator[Row]:
        """The rows of these, in order. One that ends meanwhile may be seen as it was and as it is kept: the first counts."""
        if kind == STREAMS:
            yield from (Row(*values) for values in reads.scan(Q.appended, json_ids(chosen)))
            return
        live = (Row(*values) for values in reads.scan(Q.messages, json_ids(chosen)))
        kept = (Row(*values) for values in reads.scan(Q.kept_messages, json_ids(chosen) if self.plan.keeping else "[]"))
        last = None
        for row in merge(live, kept, key=lambda row: -row.number):
            if row.number != last:
                yield row
            last = row.number

    def _matching(self, reads: Reads, among: _Range) -> Iterator[Subject]:
        kind = QUEUES if self.position.partition < 0 else STREAMS
        chosen = among.ids[self._compared : self._compared + COMPARED]
        if not chosen:
            return
        until, places = time.monotonic() + COMPARING, {id: n for n, id in enumerate(chosen, self._compared + 1)}
        for row in self._rows(reads, chosen, kind):
            self._compared = places[row.number]
            subject = self._subject(row, kind)
            if subject is not None and self.plan.holds(subject, kind):
                yield subject
            if time.monotonic() > until:
                return
        self._compared = places[chosen[-1]]  # also where the last of them have gone meanwhile

    def _subject(self, row: Row, kind: str) -> Subject | None:
        if kind == QUEUES:
            place = self.plan.scope.queues.get(row.place)
            return None if place is None else Subject(row, veil=place.veil)
        part = self._partition
        return Subject(row, partition=part.number, offset=row.id & MAX_OFFSET, veil=part.veil)

    # Which rows may match

    def _next_range(self, reads: Reads) -> _Range | None:
        found = self._lowest_and_beyond(reads)
        if found is None:
            return None
        lowest, beyond = found
        low = lowest if self._is_named(reads) else max(lowest, beyond - self._width)
        began = time.monotonic()
        seen = self._look(reads, low, beyond)
        took = time.monotonic() - began
        if took > SLOW or len(seen.ids) > MANY:
            self._width = max(NARROWEST, self._width // 2)
        elif took < QUICK and len(seen.ids) < MANY // 4:
            self._width = min(WIDEST, self._width * 4)
        return seen

    def _lowest_and_beyond(self, reads: Reads) -> tuple[int, int] | None:
        """The lowest id there may be, and beyond the highest there is, of what is to be looked at next; None at the end."""
        if self.position.partition < 0:
            tops = [reads.value(statement, self.position.beyond) for statement in self._ways()]
            if top := max((top for top in tops if top is not None), default=None):
                return 0, top + 1
            self.position = Position(0, 0)
        for place in self.plan.scope.partitions:
            if place.id < self.position.partition:
                continue
            first = place.id << OFFSET_BITS
            here = place.id == self.position.partition
            beyond = self.position.beyond if here else first | place.end
            top = reads.value(Q.newest_record_below, first | place.low, beyond)
            if top is not None:
                self._partition, self.position = place, Position(place.id, beyond)
                return first | place.low, top + 1
        self.over = True
        return None

    def _ways(self) -> list[Statement]:
        """What says how high the numbers of messages go that may match."""
        if not self.plan.scope.queues:
            return []
        return [Q.newest_below, Q.newest_kept_below] if self.plan.keeping else [Q.newest_below]

    def _is_named(self, reads: Reads) -> bool:
        """Whether an index names all that may match here, or few, so that no range is too wide."""
        plan = self.plan
        if self.position.partition < 0:
            if plan.ids is not None:
                return True
            kept = plan.looks_at_kept and reads.value(Q.newest_kept_below, self.position.beyond) is not None
            return not kept and (plan.few or not plan.scanned)
        return plan.record_ids is not None or self._partition.stream_id in plan.declared_by_streams.fields

    def _look(self, reads: Reads, low: int, beyond: int) -> _Range:
        with snapshot(reads):
            return self._messages(reads, low, beyond) if self.position.partition < 0 else self._records(reads, low, beyond)

    def _messages(self, reads: Reads, low: int, beyond: int) -> _Range:
        plan, found = self.plan, set[int]()
        if plan.ids is not None:
            return _named(plan.ids, low, beyond)
        if plan.declared.fields:
            named = queue_fields.find(reads, plan.declared, low, beyond, NAMED)
            low = named[-1] if len(named) == NAMED else low
            found.update(named)
        if plan.by_key:
            low, of_key = self._of_key(reads, low, beyond)
            found.update(of_key)
        if plan.cause:
            low, dead = self._of_cause(reads, low, beyond)
            found.update(dead)
        found = {id for id in found if id >= low}  # the others come again in the next range
        rows = len(found)
        if plan.scanned and plan.states:
            n, ids = self._scanned(reads, low, beyond)
            rows, found = rows + n, found | set(ids)
        if plan.looks_at_kept:
            n, ids = _counted(reads.row(Q.kept, low, beyond, json_ids(plan.keeping), *plan.hints))
            rows, found = rows + n, found | set(ids)
        return _Range(low, beyond, rows, sorted(found, reverse=True))

    def _of_key(self, reads: Reads, low: int, beyond: int) -> tuple[int, list[int]]:
        """What has the key, kept ones among it, and from where up that is all of it."""
        plan, found = self.plan, list[int]()
        key = plan.hints.key
        for queue, kept in reads.rows(Q.queues_of_key, json_ids(plan.of_key), json_ids(plan.keeping), key, low, beyond):
            named = [id for (id,) in reads.rows(Q.kept_of_key if kept else Q.of_key, queue, key, low, beyond, NAMED)]
            low = named[-1] if len(named) == NAMED else low
            found += named
        return low, found

    def _of_cause(self, reads: Reads, low: int, beyond: int) -> tuple[int, list[int]]:
        """What died of the cause, is dead or kept since, and from where up that is all of it."""
        found: list[int] = []
        cause = self.plan.cause
        dead = (reads.rows(CONTROL.of_cause_desc, queue, cause, beyond, low, NAMED, None) for queue in self.plan.of_cause)
        kept = (reads.rows(Q.kept_of_cause, queue, cause, low, beyond, NAMED) for queue in self.plan.keeping)
        for rows in chain(dead, kept):
            named = [row[0] for row in rows]
            low = named[-1] if len(named) == NAMED else low
            found += named
        return low, [id for id in found if id >= low]

    def _scanned(self, reads: Reads, low: int, beyond: int) -> tuple[int, list[int]]:
        plan, hints = self.plan, self.plan.hints
        asked: list[Any] = [low, beyond, json_ids(plan.scanned)]
        if not plan.walks:
            asked += [json_ids(plan.states - {State.LEASED}), int(State.LEASED in plan.states)]
        hinted: Sequence[Any]
        if plan.hints_contents:
            statement, hinted = Q.walk_contents if plan.walks else Q.listed_contents, tuple(hints)
        else:
            statement, hinted = Q.walk if plan.walks else Q.listed, hints[:2]
        return _counted(reads.row(statement, *asked, *hinted))

    def _records(self, reads: Reads, low: int, beyond: int) -> _Range:
        plan = self.plan
        if plan.record_ids is not None:
            return _named(plan.record_ids, low, beyond)
        declared = plan.declared_by_streams
        if self._partition.stream_id in declared.fields:
            own = declared._replace(fields={0: declared.fields[self._partition.stream_id]})
            named = stream_fields.find(reads, own, low, beyond, NAMED)
            return _Range(named[-1] if len(named) == NAMED else low, beyond, len(named), named)
        hints = plan.hints
        n, ids = _counted(reads.row(Q.records, low, beyond, hints.key, *hints[2:]))
        return _Range(low, beyond, n, sorted(ids, reverse=True))


def _named(ids: frozenset[int], low: int, beyond: int) -> _Range:
    named = sorted((id for id in ids if low <= id < beyond), reverse=True)
    return _Range(low, beyond, len(named), named)


def _counted(row: tuple[int, str | None] | None) -> tuple[int, list[int]]:
    n, ids = row or (0, None)
    return n, [int(id) for id in ids.split(",")] if ids else []
