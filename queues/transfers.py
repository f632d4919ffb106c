"""The steps of an act on many messages, each of which is put back, or into another queue, and may return to where it was.

A message keeps its id, its content and its attempts. It joins the end of its queue or, where that is keyed, of its key.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from brokerweb.core import events
from brokerweb.queues import counters, history, kept, keys, sequence, standing
from brokerweb.queues.definitions import Definition, find_by_id, find_in_order
from brokerweb.queues.definitions import Q as HOT
from brokerweb.queues.history import What
from brokerweb.queues.messages import receipt_text
from brokerweb.queues.moves import carry, leaving, revive
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.selection import Q
from brokerweb.queues.standing import Standing
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction

WAITING = (State.READY, State.BLOCKED, State.SCHEDULED)
_ERROR = Standing._fields.index("last_error")
_encode, _decode = msgspec.json.Encoder().encode, msgspec.json.Decoder(list[Any]).decode


class Transfer(NamedTuple):
    """A message that was put into ``target``: its position there, and how it stood before in its queue."""

    message_id: int
    queue_id: int
    target_id: int
    place: int
    was: Standing


def put(tx: Transaction, queue: Definition, target: Definition, message_id: int, was: Standing) -> Transfer:
    """A dead message is put back as new, any other joins ``target`` as it stands, a delayed one with its delay.

    ``was`` is how it stands in this transaction. A lease on it is lost.
    """
    find_in_order(tx, queue.id, target.id)
    if was.state == State.DEAD:
        place = revive(tx, queue, target, message_id, State.DEAD)
        tx.outcome.event(events.REDRIVEN, queue.id)
    else:
        place = _transfer(tx, queue, target, message_id, was)
    if queue.stream is not None and target.id != queue.id:
        tx.change(Q.forget_place, message_id, target.id)
    return Transfer(message_id, queue.id, target.id, place, was)


def _transfer(tx: Transaction, queue: Definition, target: Definition, message_id: int, was: Standing) -> int:
    """Its position there."""
    key = was.key if target.keyed else None
    moved = State.SCHEDULED if was.state == State.SCHEDULED else State.READY if key is None else State.BLOCKED
    due = was.due_at if moved is State.SCHEDULED else tx.now
    detail = leaving(tx, queue, target, message_id, was.state) if target.id != queue.id else None
    position = sequence.take_one(tx)
    tx.exactly(1, tx.change(Q.transfer, message_id, queue.id, was.state, target.id, moved, position, due, target.ttl))
    counters.count(tx, queue.id, was.state, -1)
    counters.count(tx, target.id, moved, 1)
    history.note(tx, queue, [message_id], What(history.MOVED, was.attempts, tx.by, detail=detail))
    if target.id != queue.id:
        carry(tx, queue, target, message_id)
    if was.state == State.LEASED:
        tx.outcome.ended.append(receipt_text(queue.id, message_id, was.attempts))
    if was.holds_key:
        keys.leave(tx, queue.id, [was.key])
    _joined(tx, target, moved, key, due)
    return position


def _joined(tx: Transaction, queue: Definition, state: State, key: str | None, due: int) -> None:
    if state is State.BLOCKED:
        keys.leave(tx, queue.id, [key])
    elif state is State.READY:
        became_ready(tx, queue.id)
    elif state is State.SCHEDULED:
        tx.outcome.due(due)


# So that it can be undone


def note(tx: Transaction, job: int, transfers: Sequence[Transfer]) -> None:
    """Remember, for the job, how these stood."""
    rows = [(job, t.message_id, t.queue_id, t.target_id, t.place, *_written(t.was)) for t in transfers]
    tx.change_many(Q.note_transfer, rows)


def _written(was: Standing) -> tuple[str, str | None]:
    """The error apart from the rest, so that redaction finds it."""
    return _encode(was[:_ERROR] + was[_ERROR + 1 :]).decode(), was.last_error


def noted(tx: Transaction, job: int, after: int, limit: int) -> list[tuple[int, Transfer]]:
    """What a job has put elsewhere, each with the number that the next call goes on after."""
    found = []
    for id, message_id, queue_id, target_id, place, before, error in tx.rows(Q.transfers, job, after, limit):
        columns = _decode(before)
        was = Standing._make([*columns[:_ERROR], error, *columns[_ERROR:]])
        found.append((id, Transfer(message_id, queue_id, target_id, place, was)))
    return found


def take_back(tx: Transaction, transfer: Transfer) -> bool:
    """The message is where and as it was, a leased one ready. False if it was handed out, moved or deleted since, or its
    queue was.
    """
    find_in_order(tx, transfer.queue_id, transfer.target_id)
    queue, target = find_by_id(tx, transfer.queue_id), find_by_id(tx, transfer.target_id)
    row, was = standing.read(tx, transfer.target_id, transfer.message_id), transfer.was
    if queue is None or target is None or row is None:
        return False
    if row.state not in WAITING or (row.position, row.attempts) != (transfer.place, was.attempts):
        return False
    restored = _restored(tx, queue, row if queue.id == target.id else None, was)
    tx.exactly(1, tx.change(Q.as_it_was, transfer.message_id, target.id, row.state, queue.id, *restored.restored))
    counters.count(tx, target.id, row.state, -1)
    counters.count(tx, queue.id, restored.state, 1)
    moved = queue.id != target.id
    if moved:
        kept.forget_of(tx, queue, transfer.message_id)
        carry(tx, target, queue, transfer.message_id)
    event = history.MOVED if moved else history.REDRIVEN
    history.note(tx, queue, [transfer.message_id], What(history.UNDONE, was.attempts, tx.by, detail=history.said(event=event)))
    if row.holds_key and not (queue.id == target.id and restored.holds_key):
        keys.leave(tx, target.id, [row.key])
    _joined(tx, queue, State(restored.state), restored.key, restored.due_at)
    return True


def _restored(tx: Transaction, queue: Definition, row: Standing | None, was: Standing) -> Standing:
    """As it was, as far as the others of its key allow; ``row`` is how it stands, where it never left its queue."""
    if was.state == State.DEAD:
        return was
    if was.state == State.SCHEDULED:
        free = (row is not None and row.holds_key) or tx.row(HOT.key_taken, queue.id, was.key) is None
        return was._replace(holds_key=was.holds_key and free)
    due = tx.now if was.state == State.LEASED else was.due_at
    waits = queue.keyed and was.key is not None
    return was._replace(state=State.BLOCKED if waits else State.READY, holds_key=False, due_at=due)
