"""What comes into a queue or stream, and what becomes of it, for people who watch: it takes nothing, and changes nothing.

A tail looks again and again for what is new behind the last it saw. Of a queue it also learns from this process's own commits
what was published and gone before it looked. What it cannot show in time it counts: ``skipped``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from brokerweb.answers.search import grammar
from brokerweb.answers.search.conditions import KEPT, MESSAGES, RECORDS, Row, Subject
from brokerweb.answers.search.grammar import Query
from brokerweb.answers.search.scope import Q
from brokerweb.core import clock, events
from brokerweb.core.errors import Invalid, NotFound
from brokerweb.core.events import Outcome
from brokerweb.core.masking import ERROR
from brokerweb.identity import masks
from brokerweb.identity.masks import Veil
from brokerweb.identity.principal import Principal
from brokerweb.queues import browse
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.messages import json_ids
from brokerweb.queues.models import Message, SettledMessage
from brokerweb.queues.rows import MessageRow
from brokerweb.queues.states import STATE_NAMES, State
from brokerweb.storage.reading import Reads
from brokerweb.streams.definitions import Definition, load
from brokerweb.streams.models import MAX_OFFSET

T = TypeVar("T")
AT_ONCE = 25  # rows of one look
COMPARED = 300  # rows that a look holds against the query
BYTES = 8 * 1024 * 1024  # of bodies that a look holds, and that are held for it
HELD = 1_000  # published in this process since the last look
HEARD = 100_000  # the same, of which the ids alone are held
AGAIN = 10_000  # ids that are listed again where a commit may come after those of higher ids
TRACKED = 200  # messages of which it is told what becomes of them
EXCERPT = 160  # characters
_COUNTED = (events.PUBLISHED, events.DELIVERED, events.ACKED, events.FAILED, events.DEAD)
_STANDING = ("pk", "state", "failures", "last_error")
_STATES = frozenset(State) - {State.LEASED}


@dataclass
class Seen:
    """What one look has to tell."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    skipped: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.changes or self.counts or self.skipped)


class Tail(Protocol):
    """Something that is watched. ``begin`` before the first ``look``, each on a reader's thread; ``heard`` from any thread."""

    def begin(self, reads: Reads) -> None:
        """From now on. Raises NotFound."""

    def heard(self, outcome: Outcome) -> bool:
        """A commit of this process; whether it is worth a look."""

    def look(self, reads: Reads) -> Seen:
        """What is new since. Raises NotFound when it has gone."""

    def end(self) -> None:
        """Nobody watches any more."""


def parse(q: str, kinds: frozenset[str]) -> Query:
    """The filter of a tail. Raises Invalid with the column of what is wrong."""
    query = grammar.parse(q, clock.wall())
    if not query.kinds & kinds:
        raise Invalid.at("/q", "finds nothing of this kind")
    if any(condition.field == "dedup" for condition in query.conditions):
        raise Invalid.at("/q", "dedup is not known of what comes in")
    return query


class QueueTail:
    """Of a queue: what is published, and what becomes of it."""

    def __init__(self, principal: Principal, name: str, q: str) -> None:
        """Raises Forbidden, Invalid."""
        principal.require("browse", "queue", name)
        self._principal, self._name, self._query = principal, name, parse(q, MESSAGES)
        self._queue = self._last = 0
        self._published: deque[MessageRow] = deque(maxlen=HELD)
        self._bytes = 0  # of the bodies of these
        self._heard: deque[int] = deque(maxlen=HEARD)  # ids, also of those that are not held
        self._counts: dict[str, int] = {}
        self._hush: Callable[[], None] = lambda: None
        self._tracked: dict[int, tuple[int, int]] = {}  # state and failures, as they were told
        self._known: set[int] = set()  # told of or counted already: ids are listed again, and commits heard of late

    def begin(self, reads: Reads) -> None:
        self._queue = browse.find(self._name).pk
        self._last = reads.value(Q.newest_below, MAX_ID) or 0
        self._known = self._listed(reads, self._last)
        self._hush = events.show(self._queue)

    def end(self) -> None:
        """Nobody watches any more."""
        self._hush()

    def heard(self, outcome: Outcome) -> bool:
        for event in _COUNTED:
            if n := outcome.counts.get((event, self._queue)):
                self._counts[event] = self._counts.get(event, 0) + n
        for queue_id, rows in outcome.seen or ():
            if queue_id == self._queue:
                self._hold(rows)
        return any(queue_id == self._queue for _, queue_id in outcome.counts) or self._queue in outcome.changed

    def _hold(self, rows: Sequence[MessageRow]) -> None:
        """Until the next look; of what is too much the store tells, where it is there still, and else its id is counted."""
        for row in rows:
            if self._bytes + len(row.body) <= BYTES:
                self._bytes += len(row.body)
                self._published.append(row)
        self._heard.extend(row.id for row in rows)

    def look(self, reads: Reads) -> Seen:
        if browse.find(self._name).pk != self._queue:
            raise NotFound(f"Queue {self._name} was deleted.")
        veil = masks.veil(self._principal, "queue", self._name)
        counts, self._counts = self._counts, {}
        found = Seen(counts=counts)
        subjects, newer = self._new(reads, veil)
        found.rows, found.skipped = _chosen(self._query, subjects, newer, self._row)
        for row in found.rows:
            self._tracked[int(row["id"])] = (STATE_NAMES[row["state"]], row["failures"])
        while len(self._tracked) > TRACKED:
            del self._tracked[next(iter(self._tracked))]
        found.changes = self._changes(veil)
        return found

    def _new(self, reads: Reads, veil: Veil) -> tuple[list[Subject], int]:
        """The newest that were published since the last look, the oldest of them first, and how many there were in all."""
        heard = _taken(self._heard)  # before the rows: else one that comes now could be without its row
        self._bytes, held = 0, {row.id: row for row in _taken(self._published)}
        newest = max(reads.value(Q.newest_below, MAX_ID) or 0, self._last)
        stored = self._listed(reads, newest)
        ids = sorted(stored.union(held, heard).difference(self._known))
        self._last = newest
        self._know(ids)
        chosen = ids[-COMPARED:]
        rows = {id: _as_row(held[id]) for id in chosen if id in held}
        missing = [id for id in chosen if id in stored and id not in rows]
        if missing:
            found = _few(reads.scan(Q.messages, json_ids(missing[::-1])))
            rows |= {row.id: row for row in found if row.place == self._queue}  # it may have been moved meanwhile
        return [Subject(rows[id], veil=veil) for id in chosen if id in rows], len(ids)

    def _know(self, ids: Sequence[int]) -> None:
        """These too, and of those before them what the next looks may meet again."""
        self._known.update(ids)
        enough = max(AGAIN, min(len(ids), HEARD))
        if len(self._known) > 2 * enough:
            self._known = set(sorted(self._known)[-enough:])

    def _listed(self, reads: Reads, newest: int) -> set[int]:
        """The ids in the store from the mark on; from further below where ids are taken before it is known who commits first."""
        first = self._last + 1 if reads.dialect.single_writer else self._last + 1 - AGAIN
        if newest < first:
            return set()
        states, queue = json_ids(sorted(_STATES)), json_ids([self._queue])
        row = reads.row(Q.listed, first, newest + 1, queue, states, 1, None, None)
        return {int(id) for id in row[1].split(",")} if row is not None and row[1] else set()

    def _row(self, subject: Subject) -> dict[str, Any]:
        row = subject.row
        return _told(subject) | {
            "id": str(row.id),
            "priority": row.priority,
            "failures": row.failures,
            "state": State(State.READY if row.state is None else row.state).name.lower(),
        }

    def _changes(self, veil: Veil) -> list[dict[str, Any]]:
        """How those that were shown stand now, where that is not what was told; one that has gone is told of no more."""
        if not self._tracked:
            return []
        own = Message.objects.filter(pk__in=list(self._tracked), queue_id=self._queue)
        there = {pk: (state, failures, error) for pk, state, failures, error in own.values_list(*_STANDING)}
        changes: list[dict[str, Any]] = []
        for id, told in list(self._tracked.items()):
            if id not in there:
                del self._tracked[id]
                changes.append({"id": str(id), "state": "gone"})
                continue
            state, failures, error = there[id]
            if (state, failures) != told:
                self._tracked[id] = (state, failures)
                shown = veil.word(ERROR, error) if failures or state == State.DEAD else None
                changes.append(
                    {"id": str(id), "state": State(state).name.lower(), "failures": failures, "error": (shown or "")[:EXCERPT]}
                )
        return _with_outcomes(changes)


def _with_outcomes(changes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What became of those that have gone and are kept."""
    gone = [int(change["id"]) for change in changes if change["state"] == "gone"]
    kept = dict(SettledMessage.objects.filter(pk__in=gone).values_list("message_id", "outcome")) if gone else {}
    for change in changes:
        if change["state"] == "gone" and int(change["id"]) in kept:
            change["state"] = kept[int(change["id"])]
    return changes


def _taken(held: deque[T]) -> list[T]:
    """What is in it, which is then there no more; others may go on adding to it."""
    return [held.popleft() for _ in range(len(held))]


def _few(found: Iterable[Sequence[Any]]) -> Iterator[Row]:
    """The first of these rows, as many as have room by their bodies: the newest come first."""
    room = BYTES
    for values in found:
        row = Row(*values)
        room -= len(row.body or b"")
        if room < 0:
            return
        yield row


def _as_row(row: MessageRow) -> Row:
    """What was published, as a search sees it."""
    return Row(
        row.id, row.id, row.queue, row.key, row.headers, row.content_type, row.binary, row.reply_to, row.correlation_id,
        row.publisher, row.route, row.redacted, row.published, row.checksum, row.body, row.state, row.attempts, 0, row.priority,
    )  # fmt: skip


class StreamTail:
    """Of a stream: what is appended."""

    def __init__(self, principal: Principal, name: str, q: str) -> None:
        """Raises Forbidden, Invalid."""
        principal.require("browse", "stream", name)
        self._principal, self._name, self._query = principal, name, parse(q, RECORDS)
        self._id = 0
        self._ends: dict[int, int] = {}  # the next offset that was not seen, by the partition's id

    def begin(self, reads: Reads) -> None:
        found = load(reads, self._name)
        self._id = found.id
        self._ends = {partition.id: partition.end for partition in found.partitions}

    def end(self) -> None:
        """Nobody watches any more."""

    def heard(self, outcome: Outcome) -> bool:
        return self._id in outcome.streams

    def look(self, reads: Reads) -> Seen:
        found = load(reads, self._name)
        if found.id != self._id:
            raise NotFound(f"Stream {self._name} was deleted.")
        subjects, newer = self._new(reads, found, masks.veil(self._principal, "stream", self._name))
        rows, skipped = _chosen(self._query, subjects, newer, self._row)
        return Seen(rows, skipped=skipped)

    def _new(self, reads: Reads, found: Definition, veil: Veil) -> tuple[list[Subject], int]:
        ids: list[int] = []
        numbers, newer = {partition.id: partition.number for partition in found.partitions}, 0
        each = max(1, COMPARED // max(1, len(found.partitions)))
        for partition in found.partitions:
            seen = max(self._ends.get(partition.id, partition.low), partition.low)
            newer += partition.end - seen
            ids += (partition.record_id(offset) for offset in range(max(seen, partition.end - each), partition.end))
            self._ends[partition.id] = partition.end
        rows = _few(reads.scan(Q.appended, json_ids(sorted(ids, reverse=True)))) if ids else ()
        by_time = sorted(rows, key=lambda row: (row.published_at, row.id))
        return [Subject(row, partition=numbers[row.place], offset=row.id & MAX_OFFSET, veil=veil) for row in by_time], newer

    def _row(self, subject: Subject) -> dict[str, Any]:
        return _told(subject) | {"partition": subject.partition, "offset": str(subject.offset)}


def _chosen(
    query: Query, subjects: Sequence[Subject], newer: int, shown: Callable[[Subject], dict[str, Any]]
) -> tuple[list[dict[str, Any]], int]:
    """Those that match, the newest of them; and how many there were of which that is not known, or that had no room."""
    matching = [subject for subject in subjects if all(condition.holds(subject) for condition in query.conditions)]
    rows = [shown(subject) for subject in matching[-AT_ONCE:]]
    return rows, max(0, newer - len(subjects)) + max(0, len(matching) - AT_ONCE)


def _told(subject: Subject) -> dict[str, Any]:
    row = subject.row
    assert row.state != KEPT  # noqa: S101 (nothing that has ended comes in)
    return {
        "at": clock.rfc3339(row.published_at),
        "key": None if row.key is None or not subject.whole else _visible(row.key),
        "excerpt": _excerpt(subject),
    }


def _excerpt(subject: Subject) -> str:
    """How a body begins, on one line."""
    if not subject.whole:
        return "damaged"
    if subject.row.redacted is not None:
        return "redacted"
    body, _ = subject.content
    try:
        text = bytes(body[: 4 * EXCERPT]).decode()
    except UnicodeDecodeError as error:
        if 4 * EXCERPT - error.start > 3 or len(body) <= 4 * EXCERPT:
            return f"binary, {len(subject.row.body):,} bytes"
        text = bytes(body[: error.start]).decode()
    return _visible(" ".join(text.split()))


def _visible(text: str) -> str:
    """Characters that hide or reorder text as a dot each."""
    return "".join(letter if letter.isprintable() else "·" for letter in text[:EXCERPT])


def made(principal: Principal, kind: str, name: str, q: str) -> Tail:
    """The tail of a queue or stream. Raises Forbidden, Invalid."""
    return QueueTail(principal, name, q) if kind == "queue" else StreamTail(principal, name, q)
