"""One search, from a request's words to hits, in turns that whoever runs it makes: ``running.py`` does, on threads of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from brokerweb.answers.search import grammar, planner, scope
from brokerweb.answers.search.conditions import KEPT, QUEUES, STREAMS, Row, Subject
from brokerweb.answers.search.planner import Plan
from brokerweb.answers.search.scan import Position, Scan
from brokerweb.core import clock, cursors
from brokerweb.core.batches import ANSWER_BYTES
from brokerweb.core.errors import Invalid
from brokerweb.identity.masks import CLEAR, Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues import settled
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.storage.reading import Reads, lenient
from brokerweb.streams.records import StoredRecord

DEFAULT_BUDGET, LEAST_BUDGET, MOST_BUDGET = 2.0, 0.1, 20.0  # seconds
_CURSOR = re.compile(r"(\d{1,17})/(\d{1,18})/(-1|\d{1,18})/(\d{1,19})", re.ASCII)


class Hit(NamedTuple):
    """What was found, as the asker sees it: ``kind`` and ``name`` are of its queue or stream."""

    kind: str
    name: str
    found: Message | SettledMessage | StoredRecord
    veil: Veil = CLEAR

    @property
    def destination(self) -> str:
        return f"{self.kind}:{self.name}"


class Found(NamedTuple):
    """Nothing that matches within the ``scanned`` of ``of`` is left out, and ``next`` goes on where it ``stopped``."""

    items: Sequence[Hit]
    scanned: int
    of: int
    complete: bool
    stopped: str | None  # limit, time or bytes
    next: str | None


class Search:
    """One call's part of a search. Make it, then ``turn`` until ``stopped`` or ``over``, then ``outcome``; each on a reader."""

    def __init__(self, principal: Principal, q: str, in_: Sequence[str] = (), *, after: str | None = None) -> None:
        """Raises Invalid."""
        self._principal, self._q, self._patterns = principal, q, scope.parse(in_)
        self._digest = cursors.digest("search", q, *self._patterns)
        self._now, self._scanned, self._position = self._begin(after)
        self.query = grammar.parse(q, self._now)
        self._scan: Scan | None = None
        self._plan: Plan

    def _begin(self, after: str | None) -> tuple[int, int, Position]:
        if after is None:
            return clock.instants()[1], 0, Position()
        found = _CURSOR.fullmatch(cursors.unseal(after, self._digest))
        numbers = [int(number) for number in found.groups()] if found else [cursors.MAX_ID + 1]
        if max(numbers) > cursors.MAX_ID:
            raise Invalid.at("/after", "is not a cursor")
        now, scanned, partition, beyond = numbers
        return now, scanned, Position(partition, beyond)

    @property
    def over(self) -> bool:
        """Whether all was looked at."""
        return self._scan is not None and self._scan.over

    def turn(self, reads: Reads, wanted: int, room: int = ANSWER_BYTES, *, first: bool = True) -> tuple[list[Hit], str | None]:
        """The next hits, ``wanted`` at most, with ``room`` bytes of bodies, or one that is larger if it is the ``first`` of all;
        and ``limit`` or ``bytes`` where those ended it.
        """
        scan = self._scanning(reads)
        subjects: list[Subject] = []
        stopped = None
        for subject in scan.turn(reads):
            room -= len(subject.row.body or b"")
            if room < 0 and (subjects or not first):
                scan.put_back(subject)
                stopped = "bytes"
                break
            subjects.append(subject)
            if len(subjects) == wanted:
                stopped = "limit"
                break
        return self._hits(subjects), stopped

    def _scanning(self, reads: Reads) -> Scan:
        if self._scan is None:
            seen = scope.visible(reads, self._principal, self._patterns, self.query.kinds)
            self._plan = planner.plan(reads, self.query, seen, kept=True)
            self._streams = {place.id: place.stream for place in seen.partitions}
            self._scan = Scan(self._plan, self._position, self._scanned)
        return self._scan

    def outcome(self, reads: Reads, items: Sequence[Hit], stopped: str | None) -> Found:
        """What is told of it, after the last turn."""
        scan = self._scanning(reads)
        scan.settle(reads)
        if scan.over:
            return Found(items, scan.scanned, scan.scanned, True, None, None)
        position = f"{self._now}/{scan.scanned}/{scan.position.partition}/{scan.position.beyond}"
        of = max(scan.scanned, self._plan.of(reads))
        return Found(items, scan.scanned, of, False, stopped, cursors.seal(self._digest, position))

    def _hits(self, subjects: Sequence[Subject]) -> list[Hit]:
        """As they are now, without messages that have gone since they were compared, or left for a queue not asked for."""
        messages = loaded([subject.row for subject in subjects if subject.partition is None])
        hits = []
        for subject in subjects:
            if subject.partition is not None:
                hits.append(Hit(STREAMS, self._streams[subject.row.place], _record(subject), subject.veil))
            elif (message := messages.get(subject.row.number)) and (queue := self._plan.scope.queues.get(message.queue_id)):
                hits.append(Hit(QUEUES, queue.name, queue.veil.over(message), queue.veil))
        return hits


def loaded(rows: Sequence[Row]) -> dict[int, Message | SettledMessage]:
    """Messages by their numbers, those that are kept among them: also some that have ended since their rows were read."""
    if not rows:
        return {}
    with lenient():
        found: dict[int, Any] = Message.objects.in_bulk([row.number for row in rows if row.state != KEPT])
        kept = SettledMessage.objects.in_bulk([row.number for row in rows if row.number not in found])
        settled.attach(kept.values())
    return found | kept


def _record(subject: Subject) -> StoredRecord:
    row = subject.row
    place = (subject.partition or 0, subject.offset or 0, row.published_at)
    body, binary = subject.content
    if not subject.whole:
        return StoredRecord(*place, None, None, None, False, None, None, b"", damaged=True)
    return StoredRecord(
        *place,
        row.key,
        row.headers,
        row.content_type,
        binary,
        row.reply_to,
        row.correlation_id,
        body,
        redacted=row.redacted,
    )
