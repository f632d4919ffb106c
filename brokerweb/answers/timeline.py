"""What happened to a message, oldest first: its events, and what its rows know where its queue keeps failures alone.

The order is that of the events' ids, never of their stamps, which follow the wall. A failure stands before the first event that a
later lease, or the end of its own, has left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from brokerweb.answers import names
from brokerweb.answers.names import May
from brokerweb.core.masking import ERROR, HIDDEN
from brokerweb.identity.clients import Who
from brokerweb.identity.masks import Veil
from brokerweb.queues import history
from brokerweb.queues.messages import parse_place
from brokerweb.queues.models import Failure, Message, MessageEvent, Queue, SettledMessage
from brokerweb.queues.represent import rfc3339
from brokerweb.queues.states import REJECTED, State

SHOWN = 200  # of the newest
DURING = (history.LEASED, history.EXTENDED)  # a lease that fails does so after these
BACK = (history.REQUEUED, history.REDRIVEN, history.MOVED, history.UNDONE)  # what a dead message is no longer dead after
NOBODY = Who("")
Found = Message | SettledMessage | None


@dataclass(slots=True)
class Entry:
    """One thing that happened."""

    at: datetime
    event: str
    attempt: int = 0
    actor: str | None = None
    holder: str | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    queue: int | None = None  # in which, where an event says so

    def shown(self, who: Callable[[str | None], Who | None]) -> dict[str, Any]:
        described = who(self.holder) or NOBODY
        return {
            "at": rfc3339(self.at),
            "event": self.event,
            "attempt": self.attempt or None,
            "by": self.actor or described.by,
            "client": described.client or None,
            "connection": described.connection,
            "detail": self.detail,
        }


def timeline(
    queue: Queue, message_id: int, found: Found, failures: Sequence[Failure], veil: Veil, *, may: May | None = None
) -> tuple[list[dict[str, Any]], bool]:
    """The newest of what happened, oldest first, and whether there was more before it.

    ``found`` is the message as its queue has it, alive or kept; None where it is gone, and its events alone are left. Names of
    queues and topics that the asker may not browse are left out; without ``may`` none is. Errors are seen through ``veil``.
    """
    told, more = _events(queue, message_id, found)
    entries = [*_merged(told, _untold(told, failures))]
    if found is not None:
        if not more and not any(entry.event == history.PUBLISHED for entry in told):
            entries = _published(queue, found) + entries
        entries += _ended(found, entries)
    shown = _with_holders(entries)[-SHOWN:]
    names.hide(shown, queue, may)
    for entry in shown if veil.hides(ERROR) else ():
        entry.detail = {name: HIDDEN if name == ERROR else value for name, value in entry.detail.items()}
    who = names.described(entry.holder for entry in shown)
    return [entry.shown(who) for entry in shown], more or len(entries) > SHOWN


def _events(queue: Queue, message_id: int, found: Found) -> tuple[list[Entry], bool]:
    """What is written of the message. Where it has left the queue what came after that is another queue's."""
    rows = MessageEvent.objects.filter(message_id=message_id).order_by("-id")
    if found is None or (isinstance(found, SettledMessage) and found.outcome == history.MOVED):
        last = rows.filter(queue_id=queue.pk).values_list("pk", flat=True).first()
        rows = rows.filter(pk__lte=last if last is not None else 0)
    newest = list(rows[: SHOWN + 1])
    return [_entry(row) for row in newest[SHOWN - 1 :: -1]], len(newest) > SHOWN


def _entry(row: MessageEvent) -> Entry:
    detail = dict(history.detail_of(row.detail)) | ({} if row.error is None else {"error": row.error})
    return Entry(row.at, row.event, row.attempt, row.actor, row.holder, detail, row.queue_id)


def _untold(told: Iterable[Entry], failures: Iterable[Failure]) -> list[Entry]:
    """Failures of which no event speaks. One that the consumer called final is a death."""
    spoken = {(entry.attempt, entry.event) for entry in told}
    found = []
    for failure in failures:
        final = failure.kind == REJECTED
        detail: dict[str, Any] = {"reason": REJECTED} if final else {}
        if failure.error is not None:
            detail["error"] = failure.error
        event = history.DEAD if final else failure.kind
        if (failure.attempt, event) not in spoken:
            found.append(Entry(failure.failed_at, event, failure.attempt, None, failure.consumer, detail))
    return found


def _merged(told: list[Entry], failures: list[Entry]) -> Iterator[Entry]:
    """Both in order, each as it was."""
    i = 0
    for entry in told:
        while i < len(failures) and _before(failures[i], entry):
            yield failures[i]
            i += 1
        yield entry
    yield from failures[i:]


def _before(failure: Entry, entry: Entry) -> bool:
    return entry.attempt > failure.attempt or (entry.attempt == failure.attempt and entry.event not in DURING)


def _published(queue: Queue, found: Message | SettledMessage) -> list[Entry]:
    carried = found.carries
    if not carried.body and carried.checksum < 0:  # damage has taken it
        return []
    parent = None if found.parent is None else str(found.parent)
    said: dict[str, Any] = {"route": found.route, "parent": parent, "dedup": carried.dedup_id}
    if queue.stream is not None and (place := parse_place(found.route)) is not None:  # a record, of which this is a group's copy
        said = {"partition": place[0], "offset": str(place[1])}
    detail = {name: value for name, value in said.items() if value is not None}
    return [Entry(carried.published_at, history.PUBLISHED, 0, carried.publisher, None, detail)]


def _ended(found: Message | SettledMessage, entries: Sequence[Entry]) -> list[Entry]:
    """How it died or ended, where nothing has said so."""
    if isinstance(found, SettledMessage):
        if any((entry.event, entry.at) == (found.outcome, found.settled_at) for entry in entries):
            return []
        detail = dict(history.detail_of(found.detail))
        return [Entry(found.settled_at, found.outcome, found.attempts, found.actor, found.holder, detail)]
    if found.state != State.DEAD or _says_dead(entries):
        return []
    detail = {"reason": found.reason} | ({} if found.last_error is None else {"error": found.last_error})
    return [Entry(found.due_at, history.DEAD, found.attempts, detail=detail)]


def _says_dead(entries: Sequence[Entry]) -> bool:
    """Whether it died after it was last brought back; taking back what brought it back counts as its death."""
    for entry in reversed(entries):
        if entry.event in BACK and entry.event != history.UNDONE:
            return False
        if entry.event == history.DEAD:
            return True
    return False


def _with_holders(entries: list[Entry]) -> list[Entry]:
    """What ends or extends a lease is its holder's, whom the lease's beginning names."""
    holders: dict[int, str | None] = {}
    for entry in entries:
        if entry.event == history.LEASED:
            holders[entry.attempt] = entry.holder
        elif entry.holder is None and entry.actor is None and entry.event in (history.EXTENDED, history.ACKED):
            entry.holder = holders.get(entry.attempt)
    return entries
