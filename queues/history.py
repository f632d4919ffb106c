"""What happened to messages, written in the commit that made it so, by one statement or a few at the end of its transaction.

With ``history`` ``full`` it is everything; with ``failures`` what operators did to messages that stay, or that they took out one
by one. The order is that of the rows' ids: the wall may be set, and stamps go back with it. A message's last event says when all
of them go (``forget_at``); where nobody could write that, a walk does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from brokerweb.core.clock import seconds
from brokerweb.queues.definitions import Definition, find_by_id
from brokerweb.queues.limits import MAX_TEXT_BYTES
from brokerweb.queues.messages import json_ids
from brokerweb.storage import disk
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues", "history.sql")

PUBLISHED, LEASED, EXTENDED, RELEASED, ACKED = "published", "leased", "extended", "released", "acked"
DEAD, EXPIRED = "dead", "expired"  # nacked, lease_expired and consumer_lost are called as the failures are
REQUEUED, REDRIVEN, MOVED, EDITED, RESCHEDULED = "requeued", "redriven", "moved", "edited", "rescheduled"
DELETED, PURGED, REDACTED, UNDONE = "deleted", "purged", "redacted", "undone"

MANY = 8  # messages from which on one statement for all that befell alike is cheaper than a row of values for each
KEPT = 1_000  # events of one message; older ones go
AT_ONCE, ROWS_AT_ONCE = 500, 3_000  # messages, and their events, that one turn forgets
WALKED = 2_000  # messages that one step of the walk looks at
_encode = msgspec.json.Encoder().encode


class What(NamedTuple):
    """What happened, in the lease ``attempt`` or after it. ``error`` is a text that redaction takes away; with ``ends`` the
    message is gone.
    """

    event: str
    attempt: int = 0
    actor: str | None = None
    holder: str | None = None
    error: str | None = None
    detail: str | None = None
    ends: bool = False


def said(**detail: Any) -> str:
    """The ``detail`` of an event, without what is None."""
    return _encode({name: value for name, value in detail.items() if value is not None}).decode()


class _Happened:
    """What one transaction has to write: runs of messages that the same befell, in order."""

    def __init__(self) -> None:
        self.runs: list[tuple[Definition, What, list[int]]] = []

    def add(self, queue: Definition, what: What, ids: Iterable[int]) -> None:
        if self.runs and self.runs[-1][0] is queue and self.runs[-1][1] == what:
            self.runs[-1][2].extend(ids)
        else:
            self.runs.append((queue, what, [*ids]))

    def flush(self, tx: Transaction) -> None:
        runs, self.runs = self.runs, []
        rows: list[tuple[Any, ...]] = []
        for queue, what, ids in runs:
            forget = tx.now + seconds(queue.keep_settled + queue.keep_history) if what.ends else None
            if len(ids) < MANY or what.error is not None:
                rows += [(queue.id, id, tx.wall, *what[:-1], forget) for id in ids]
                continue
            _write(tx, rows)
            rows = []
            tx.change(Q.add_alike, json_ids(ids), queue.id, tx.wall, *what[:4], what.detail, forget)
        _write(tx, rows)


def _write(tx: Transaction, rows: list[tuple[Any, ...]]) -> None:
    if rows:
        tx.change_many(Q.add_events, rows)


def note(tx: Transaction, queue: Definition, ids: Iterable[int], what: What) -> None:
    """This has happened to these messages. Where next to nothing is free on the disk it is not written, and settling goes on."""
    if what.actor is not None and len(what.actor) > MAX_TEXT_BYTES:
        what = what._replace(actor=what.actor[:MAX_TEXT_BYTES])
    if not disk.of().low:
        tx.gathered(_Happened).add(queue, what, ids)


def note_each(tx: Transaction, queue: Definition, messages: Iterable[tuple[int, int]], what: What) -> None:
    """The same of messages and their attempts."""
    for attempt, group in groupby(messages, itemgetter(1)):
        note(tx, queue, [id for id, _ in group], what._replace(attempt=attempt))


def told(tx: Transaction, queue: Definition) -> bool:
    """Whether what befalls a message by a settlement is written: always where an operator settles."""
    return tx.by is not None or queue.full


# Duties


def forget(tx: Transaction) -> int:
    """Drop what happened to messages that have gone long enough ago; how many events that were."""
    return tx.change(Q.forget_history, tx.now, AT_ONCE, ROWS_AT_ONCE)


class Seen(NamedTuple):
    """A message of which something is remembered, as ``walk`` finds it."""

    message_id: int
    last: int  # its last event
    n: int
    marked: int | None
    held: bool

    @property
    def needs(self) -> bool:
        return self.n > KEPT or not (self.held or self.marked is not None)


class Walk:
    """Goes over all events, again and again, for messages that went while nobody wrote when their events are to go, as in a queue
    that keeps failures alone; and for those that have too many. Outside of commits, a step at a time.
    """

    def __init__(self) -> None:
        self._after = 0

    def step(self, reads: Reads) -> list[Seen]:
        """The next messages by id for which something is to be done."""
        found = [Seen(*row) for row in reads.rows(Q.walk, self._after, WALKED)]
        self._after = found[-1].message_id if len(found) == WALKED else 0
        return [seen for seen in found if seen.needs][:AT_ONCE]


def mend(tx: Transaction, found: Iterable[Seen]) -> int:
    """What the walk found: events of what is gone are to go, and of what has too many the oldest are; how many that concerned."""
    n = 0
    for seen in found:
        if seen.n > KEPT:
            n += bool(tx.change(Q.trim_events, seen.message_id, KEPT, ROWS_AT_ONCE))
        row = None if seen.held or seen.marked is not None else tx.row(Q.gone, seen.last)
        if row is not None and not row[1]:
            queue = find_by_id(tx, row[0])
            n += tx.change(Q.mark, seen.last, tx.now + (seconds(queue.keep_history) if queue is not None else 0))
    return n


def detail_of(text: str | None) -> Mapping[str, Any]:
    """An event's ``detail``."""
    found: Mapping[str, Any] = msgspec.json.decode(text) if text else {}
    return found
