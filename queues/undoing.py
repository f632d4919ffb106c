"""Acts on one message or queue that can be taken back: the verb answers with what was before, and its counterpart restores that.

Only what nobody has acted upon since is restored: a message that was handed out stays handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from brokerweb.core.errors import Conflict, NotFound
from brokerweb.queues import control, counters, keys
from brokerweb.queues.definitions import Definition, find, forget
from brokerweb.queues.moves import find_message
from brokerweb.queues.selection import Q
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction


class _Row(NamedTuple):
    """What requeueing changes of a message, and what tells whether somebody acted on it since."""

    key: str | None
    attempts: int
    state: int
    position: int
    failures: int
    holds_key: bool
    alone: bool
    due_at: int
    deliver_at: int | None
    expires_at: int | None
    holder: str | None
    reason: str | None
    last_error: str | None
    fingerprint: str | None
    redrives: int


def _row(tx: Transaction, queue: Definition, message_id: int) -> _Row:
    find_message(tx, queue, message_id)
    [found] = tx.rows(Q.as_it_is, message_id, queue.id)
    row = _Row(*found)
    return row._replace(holds_key=bool(row.holds_key), alone=bool(row.alone))


def requeue(tx: Transaction, name: str, message_id: int) -> dict[str, Any]:
    """As ``control.requeue``; what ``undo_requeue`` takes."""
    queue = find(tx, name)
    before = _row(tx, queue, message_id)
    control.requeue(tx, name, message_id)
    after = _row(tx, queue, message_id)
    return {"id": message_id, "place": after.position, **before._asdict()}


def undo_requeue(tx: Transaction, name: str, before: Mapping[str, Any]) -> None:
    """The message is as it was before it was requeued. Raises Conflict when it is not where that put it any more."""
    queue, message_id, was = find(tx, name), before["id"], _Row(**{field: before[field] for field in _Row._fields})
    row = _still_there(tx, queue, message_id, (before["place"], was.attempts))
    if was.holds_key and not row.holds_key:
        raise Conflict(f"Another message of its key goes before {message_id} by now: nothing is undone.")
    restored = was[_Row._fields.index("state") :]
    if not tx.change(Q.as_it_was, message_id, queue.id, row.state, *restored):
        raise Conflict("The message changed meanwhile.")
    counters.moved(tx, queue.id, State(row.state), State(was.state))
    if row.holds_key and not was.holds_key:
        keys.leave(tx, queue.id, [row.key])
    if was.state == State.SCHEDULED:
        tx.outcome.due(was.due_at)


def _still_there(tx: Transaction, queue: Definition, message_id: int, place_and_attempts: tuple[int, int]) -> _Row:
    try:
        row = _row(tx, queue, message_id)
    except NotFound:
        row = None
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
