"""The operators' verbs: declare, change, pause, resume, delete, and what they do to one message.

Messages change by guarded statements whose row count is the answer. What acts on many is in ``brokerweb.queues.bulk``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.cluster import marks
from brokerweb.core import clock, events
from brokerweb.core.errors import Conflict, LeaseLost, NotFound
from brokerweb.core.names import check_name
from brokerweb.queues import counters, engine, fields, history, kept, keys, limits, sequence
from brokerweb.queues.bulk import purge, purge_all, redrive, redrive_all
from brokerweb.queues.definitions import Definition, find, find_alone, find_by_id, forget, take_turn
from brokerweb.queues.history import What
from brokerweb.queues.kept import End
from brokerweb.queues.messages import NewMessage, Receipt, Settle
from brokerweb.queues.models import Queue
from brokerweb.queues.moves import Seen, find_message, revive, take_out
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.selection import Q
from brokerweb.queues.settings import validate
from brokerweb.queues.states import State
from brokerweb.storage.declared import declaring
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction

__all__ = [
    "declare",
    "delete",
    "delete_message",
    "pause",
    "purge",
    "purge_all",
    "redrive",
    "redrive_all",
    "release",
    "replace",
    "requeue",
    "reschedule",
    "resume",
]


def declare(tx: Transaction, name: str, settings: Mapping[str, Any], *, create: bool = True) -> tuple[Queue, bool]:
    """Create a queue, or change the settings named; (the queue, whether it is new). Without ``create`` it must exist."""
    check_name(name)
    changes = validate(settings)
    declaring(tx, "queue", name)
    queue = _declared(tx, name, changes)
    created = queue is None
    if queue is None:
        if not create:
            raise NotFound(f"There is no queue {name}.")
        queue = Queue(name=name, created_at=tx.wall)
    else:
        _check_keyed(tx, queue, changes)
    _store(tx, queue, changes)
    return Queue.objects.get(pk=queue.pk), created


def _declared(tx: Transaction, name: str, changes: Mapping[str, Any]) -> Queue | None:
    """The queue as it is, and for several writers as it stays: where it must be seen empty nobody else acts on it."""
    found = Queue.objects.filter(name=name, deleted_at=None).first()
    if tx.dialect.single_writer:
        return found
    if found is None:
        return None
    if changes.get("keyed", found.keyed) != found.keyed or changes.get("search", found.search) != found.search:
        tx.alone(Lock.QUEUE, found.pk)
    else:
        tx.share(Lock.QUEUE, found.pk)
    return Queue.objects.filter(name=name, deleted_at=None).first()


def _check_keyed(tx: Transaction, queue: Queue, changes: Mapping[str, Any]) -> None:
    if changes.get("keyed", queue.keyed) != queue.keyed and any(counters.counted(tx, queue.pk)):
        raise Conflict("keyed changes only while the queue is empty: the order within its keys would not hold for what is there.")


def _store(tx: Transaction, queue: Queue, changes: Mapping[str, Any]) -> None:
    before = queue.search
    for column, value in changes.items():
        setattr(queue, column, value)
    # Declaring a queue shows that someone wants it: its idle time starts anew.
    queue.idle_since_at = tx.now if queue.expires is not None else None
    tx.writes += 1
    # Without what others have written since: a pause, above all.
    queue.save(update_fields=None if queue.pk is None else [*changes, "idle_since_at"])
    if queue.search != before:
        fields.declare(tx, queue.pk, before, queue.search, empty=not any(counters.counted(tx, queue.pk)))
    forget(tx, queue.pk, queue.name)


def delete(tx: Transaction, name: str, *, if_empty: bool = False) -> None:
    """The queue is gone for everyone at once; a duty removes what it held. Raises Conflict if it must be empty and is not."""
    declaring(tx, "queue", name)
    queue = find_alone(tx, name) if if_empty else find(tx, name)
    if if_empty and any(counters.counted(tx, queue.id)):
        raise Conflict(f"Queue {name} is not empty.")
    delete_found(tx, queue)


def delete_found(tx: Transaction, queue: Definition) -> None:
    """A queue that was looked up is gone."""
    tx.change(Q.mark_deleted, queue.id, f".deleted-{queue.id}", tx.wall)
    if queue.search is not None:
        fields.drop_all(tx, queue.id)
    forget(tx, queue.id, queue.name)


def pause(tx: Transaction, name: str, *, reason: str, by: str) -> Queue:
    """Lease nothing until resumed; a queue that is paused stays as it is."""
    queue = find(tx, name)
    if tx.change(Q.pause, queue.id, tx.wall, by[:200], limits.cut(reason) or ""):
        forget(tx, queue.id, name)
        marks.note(tx, marks.PAUSE, f"{name} paused{f': {reason}' if reason else ''}", f"queue:{name}", by=by)
    return Queue.objects.get(pk=queue.id)


def resume(tx: Transaction, name: str) -> Queue:
    """Lease again."""
    queue = find(tx, name)
    if tx.change(Q.resume, queue.id):
        forget(tx, queue.id, name)
        marks.note(tx, marks.RESUME, f"{name} resumed", f"queue:{name}")
        tx.outcome.ready.add(queue.id)
    return Queue.objects.get(pk=queue.id)


def requeue(tx: Transaction, name: str, message_id: int) -> None:
    """A dead or scheduled message is ready at the end of its queue, or of its key, with its failures forgotten."""
    queue = take_turn(tx, find(tx, name))
    seen = _restorable(tx, queue, message_id)
    revive(tx, queue, queue, message_id, seen.state, event=history.REQUEUED)
    tx.outcome.event(events.REDRIVEN, queue.id)


def replace(tx: Transaction, name: str, message_id: int, message: NewMessage, *, publisher: str | None) -> int:
    """An edited copy takes a dead or scheduled message's place in one commit; its id. Its ``parent`` is the original."""
    queue = take_turn(tx, find(tx, name))
    seen = _restorable(tx, queue, message_id)
    _remove(tx, queue, message_id, seen.state, End(kept.EDITED, tx.by))
    accepted = engine.publish(tx, name, [message], publisher=publisher, parent=message_id)[0]
    if accepted.duplicate:
        raise Conflict(f"The dedup_id was used before, for message {accepted.id}: nothing would take the original's place.")
    tx.change(Q.name_parent, accepted.id, queue.id, message_id)
    detail = history.said(copy=str(accepted.id))
    history.note(tx, queue, [message_id], What(history.EDITED, seen.attempts, tx.by, detail=detail, ends=True))
    if kept.keeps(queue):
        tx.change(history.Q.say_kept, queue.id, message_id, detail)
    return accepted.id


def _restorable(tx: Transaction, queue: Definition, message_id: int) -> Seen:
    seen = find_message(tx, queue, message_id)
    if seen.state not in (State.DEAD, State.SCHEDULED):
        raise Conflict(f"Only dead and scheduled messages can be requeued; this one is {seen.state.name.lower()}.")
    return seen


def reschedule(tx: Transaction, name: str, message_id: int, *, due_at: int | None = None, deliver_at: int | None = None) -> None:
    """A scheduled or ready message is due at another time, by the broker's clock or, ``deliver_at``, by the wall; the past
    means now. It keeps its place, and its key if it holds it.
    """
    reschedule_found(tx, find(tx, name), message_id, due_at=due_at, deliver_at=deliver_at)


def reschedule_found(
    tx: Transaction, queue: Definition, message_id: int, *, due_at: int | None = None, deliver_at: int | None = None
) -> None:
    """The same in a queue that was looked up."""
    seen = find_message(tx, take_turn(tx, queue), message_id)
    if seen.state not in (State.SCHEDULED, State.READY):
        raise Conflict(f"Only scheduled and ready messages can be rescheduled; this one is {seen.state.name.lower()}.")
    due = due_at or 0 if deliver_at is None else deliver_at - tx.difference
    if due > tx.now:
        _retime(tx, queue, message_id, seen, (State.SCHEDULED, due, deliver_at))
        tx.outcome.due(due)
    elif seen.state is State.SCHEDULED:
        _fall_due(tx, queue, message_id, seen)
    else:
        return
    shown = clock.rfc3339(deliver_at if deliver_at is not None else max(due, tx.now) + tx.difference)
    history.note(tx, queue, [message_id], What(history.RESCHEDULED, seen.attempts, tx.by, detail=history.said(due_at=shown)))


def _retime(tx: Transaction, queue: Definition, message_id: int, seen: Seen, to: tuple[State, int, int | None]) -> None:
    """``to`` a state, due then by the broker's clock, or by the wall's instant."""
    if not tx.change(Q.retime, message_id, queue.id, seen.state, *to, queue.ttl):
        raise Conflict("The message changed meanwhile.")
    counters.moved(tx, queue.id, seen.state, to[0])


def _fall_due(tx: Transaction, queue: Definition, message_id: int, seen: Seen) -> None:
    """As when its time comes: a delayed message of a keyed queue takes its place at the end of its key now."""
    if queue.keyed and seen.key is not None and not seen.holds_key:
        _retime(tx, queue, message_id, seen, (State.BLOCKED, tx.now, None))
        tx.change(Q.line_up, message_id, queue.id, sequence.take_one(tx))
        keys.leave(tx, queue.id, [seen.key])
    else:
        _retime(tx, queue, message_id, seen, (State.READY, tx.now, None))
        became_ready(tx, queue.id)


def release(tx: Transaction, queue: str | int, message_id: int, attempt: int) -> None:
    """The message that is held by that attempt goes back to its place, without a failure. Raises NotFound, LeaseLost."""
    found = find(tx, queue) if isinstance(queue, str) else find_by_id(tx, queue)
    if found is None:
        raise NotFound("The queue was deleted.")
    receipt = str(Receipt(found.id, message_id, attempt))
    [settled] = engine.settle(tx, [Settle("release", receipt)], queue=found.id)
    if settled.status != "ok":
        raise LeaseLost("That lease has ended: the message was settled, or is somebody else's by now.")


def delete_message(tx: Transaction, name: str, message_id: int) -> None:
    """The message is gone, whatever its state; a lease on it is lost."""
    queue = take_turn(tx, find(tx, name))
    _remove(tx, queue, message_id, find_message(tx, queue, message_id).state, End(kept.DELETED, tx.by))
    tx.outcome.event(events.PURGED, queue.id)


def _remove(tx: Transaction, queue: Definition, message_id: int, state: State, end: End) -> None:
    if not take_out(tx, queue, [(message_id, state)], end):
        raise Conflict("The message changed meanwhile.")
