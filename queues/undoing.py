"""Acts on one message or queue that can be taken back: the verb answers with what was before, and its counterpart restores that.

Only what nobody has acted upon since is restored: a message that was handed out stays handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.queues import control, counters, history, keys, standing
from brokerweb.queues.definitions import Definition, find, forget, take_turn
from brokerweb.queues.history import What
from brokerweb.queues.selection import Q
from brokerweb.queues.standing import Standing
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction


def _standing(tx: Transaction, queue: Definition, message_id: int) -> Standing:
    row = standing.read(tx, queue.id, message_id)
    if row is None:
        raise NotFound(f"Queue {queue.name} has no message {message_id}.")
    return row


def requeue(tx: Transaction, name: str, message_id: int) -> dict[str, Any]:
    """As ``control.requeue``; what ``undo_requeue`` takes."""
    queue = take_turn(tx, find(tx, name))
    before = _standing(tx, queue, message_id)
    control.requeue(tx, name, message_id)
    after = _standing(tx, queue, message_id)
    return {"id": message_id, "place": after.position, **before._asdict()}


def undo_requeue(tx: Transaction, name: str, before: Mapping[str, Any]) -> None:
    """The message is as it was before it was requeued. Raises Conflict when it is not where that put it any more."""
    queue, message_id, was = (
        take_turn(tx, find(tx, name)),
        before["id"],
        Standing(**{field: before[field] for field in Standing._fields}),
    )
    row = _still_there(tx, queue, message_id, (before["place"], was.attempts))
    if was.holds_key and not row.holds_key:
        raise Conflict(f"Another message of its key goes before {message_id} by now: nothing is undone.")
    if not tx.change(Q.as_it_was, message_id, queue.id, row.state, queue.id, *was.restored):
        raise Conflict("The message changed meanwhile.")
    history.note(tx, queue, [message_id], What(history.UNDONE, was.attempts, tx.by, detail=history.said(event=history.REQUEUED)))
    counters.moved(tx, queue.id, State(row.state), State(was.state))
    if row.holds_key and not was.holds_key:
        keys.leave(tx, queue.id, [row.key])
    if was.state == State.SCHEDULED:
        tx.outcome.due(was.due_at)


def _still_there(tx: Transaction, queue: Definition, message_id: int, place_and_attempts: tuple[int, int]) -> Standing:
    row = standing.read(tx, queue.id, message_id)
    if row and row.state in (State.READY, State.BLOCKED) and (row.position, row.attempts) == place_and_attempts:
        return row
    raise Conflict(f"Message {message_id} was handed out, moved or deleted meanwhile: nothing is undone.")


def resume(tx: Transaction, name: str) -> dict[str, Any] | None:
    """As ``control.resume``; what ``undo_resume`` takes, or None for a queue that was not paused."""
    paused = tx.row(Q.pause_of, find(tx, name).id)
    control.resume(tx, name)
    return None if paused is None else dict(zip(("paused_at", "by", "reason"), paused, strict=True))


def undo_resume(tx: Transaction, name: str, before: Mapping[str, Any]) -> None:
    """The queue is paused as it was. Raises Conflict when it is paused anew."""
    queue = find(tx, name)
    if not tx.change(Q.pause, queue.id, before["paused_at"], before["by"], before["reason"]):
        raise Conflict(f"{name} was paused anew meanwhile: nothing is undone.")
    forget(tx, queue.id, name)
