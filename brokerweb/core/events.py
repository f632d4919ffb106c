"""What happened, told after the commit that made it so. Metrics, rates, logs and dispatchers listen; verbs only record.

An ``Outcome`` gathers what one transaction did. Listeners are called once per committed transaction, on the thread that
committed, must be quick and must not raise.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

log = logging.getLogger(__name__)

PUBLISHED, DELIVERED, ACKED, FAILED = "published", "delivered", "acked", "failed"
RELEASED, DEAD, EXPIRED, REDRIVEN, PURGED = "released", "dead", "expired", "redriven", "purged"
DAMAGED = "damaged"  # dead because its checksum does not match; counted among the dead as well
DISCARDED = "discarded"  # a dead letter that its queue keeps no longer
REMOVED = "removed"  # a deleted queue's last row: nothing more will be told of it
APPENDED, TRIMMED, COMPACTED = "appended", "trimmed", "compacted"
UNROUTED = "unrouted"  # a message no binding of its topic matched
AUDIT, JOBS, ALERTS = "audit", "jobs", "alerts"  # what people look at besides queues and streams
STREAM_EVENTS = (APPENDED, TRIMMED, COMPACTED)
QUEUE_EVENTS = (PUBLISHED, DELIVERED, ACKED, FAILED, RELEASED, DEAD, DAMAGED, EXPIRED, REDRIVEN, PURGED, DISCARDED)


# Who published, by name, and through which topic; None where code names nobody, and where it came directly. Then where to: the
# kind and the id of a queue, stream or topic.
Source = tuple[str | None, str | None, str, int]


_NONE: frozenset[str] = frozenset()


class Outcome:
    """What one transaction did, for those who act on it after the commit."""

    __slots__ = (
        "advanced",
        "appended",
        "changed",
        "counts",
        "due_at",
        "ended",
        "extended",
        "handed",
        "lists",
        "moved",
        "orders",
        "polled",
        "ready",
        "reshaped",
        "rounds",
        "seen",
        "settled",
        "sources",
        "stream_counts",
        "streams",
        "topic_counts",
        "trimmed",
    )

    def __init__(self) -> None:
        self.counts: dict[tuple[str, int], int] = {}  # (event, queue id) -> how many; of every queue in use
        self.ready: set[int] = set()  # queues that may have something to lease
        self.ended: list[str] = []  # receipts whose lease ended before its deadline
        self.extended: list[tuple[str, int]] = []  # receipts with a new deadline
        self.handed: list[tuple[Any, list[Any]]] = []  # stored already leased: (taker, leased messages)
        self.rounds: list[
            tuple[int, int, Any]
        ] = []  # queues that the commit looked at: (queue id, dispatcher's news, what is left)
        self.due_at: int | None = None  # the earliest instant at which a duty has work because of this
        self.changed: set[int] = set()  # queues whose definition changed: settings, paused, deleted
        self.sources: dict[Source, int] = {}  # where messages came from, and how many
        self.stream_counts: dict[tuple[str, int], int] = {}  # (event, stream id) -> how many
        self.topic_counts: dict[tuple[str, int], int] = {}  # (event, topic id) -> how many
        self.streams: set[int] = set()  # streams that have new records, or were changed or deleted
        self.reshaped: set[int] = set()  # streams that were declared, changed or deleted: their partitions may be others
        self.appended: list[tuple[int, int, list[Any]]] = []  # (partition id, first offset, records)
        self.trimmed: set[int] = set()  # partition ids whose low offset rose
        self.moved: set[int] = set()  # consumer groups whose members, assignment or positions changed
        self.polled: dict[int, str] = {}  # queues that a caller asked for messages, and the last such holder
        self.settled: set[int] = set()  # queues of which consumers settled something
        self.advanced: list[tuple[int, int, int]] = []  # (group id, stream id, offsets committed)
        self.seen: list[tuple[int, list[Any]]] | None = None  # (queue id, rows published), of queues that somebody watches
        self.lists: frozenset[str] = _NONE  # which of AUDIT, JOBS and ALERTS are others by it
        self.orders = False  # other nodes are asked to do something: to close a connection, say

    def event(self, name: str, queue_id: int, n: int = 1) -> None:
        if n:
            key = (name, queue_id)
            self.counts[key] = self.counts.get(key, 0) + n

    def asked(self, queue_id: int) -> None:
        """Somebody wanted messages of a queue that had none: it is in use all the same."""
        self.counts.setdefault((DELIVERED, queue_id), 0)

    def stream_event(self, name: str, stream_id: int, n: int = 1) -> None:
        if n:
            key = (name, stream_id)
            self.stream_counts[key] = self.stream_counts.get(key, 0) + n

    def topic_event(self, name: str, topic_id: int, n: int = 1) -> None:
        if n:
            key = (name, topic_id)
            self.topic_counts[key] = self.topic_counts.get(key, 0) + n

    def due(self, instant: int) -> None:
        if self.due_at is None or instant < self.due_at:
            self.due_at = instant


_shown: list[int] = []
_showing = threading.Lock()
shown: frozenset[int] = frozenset()  # ids of queues that somebody watches: of these commits say what they published


def show(queue_id: int) -> Callable[[], None]:
    """Somebody watches a queue; returns how to say that they do no longer."""
    global shown
    with _showing:
        _shown.append(queue_id)
        shown = frozenset(_shown)

    def end() -> None:
        global shown
        with _showing:
            if queue_id in _shown:
                _shown.remove(queue_id)
            shown = frozenset(_shown)

    return end


Listener = Callable[[Outcome], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Call ``listener`` with every committed outcome of this process; returns how to stop that."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener) if listener in _listeners else None


def committed(outcome: Outcome) -> None:
    """Tell every listener; called once, after the commit."""
    for listener in tuple(_listeners):
        try:
            listener(outcome)
        except Exception:
            log.exception("a listener failed")
