"""The two steps the operators' verbs are made of: taking messages out, and putting one back at the end."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.batches import fitting
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.queues import contents, counters, fields, history, holding, kept, keys, sequence
from brokerweb.queues.definitions import Definition
from brokerweb.queues.definitions import Q as HOT
from brokerweb.queues.filters import MAX_ID
from brokerweb.queues.history import What
from brokerweb.queues.kept import End
from brokerweb.queues.messages import json_ids, receipt_text
from brokerweb.queues.readiness import became_ready
from brokerweb.queues.selection import Found, Q
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction


class Seen(NamedTuple):
    """A message as a verb found it."""

    state: State
    key: str | None
    holds_key: bool
    attempts: int
    fingerprint: str | None = None


def find_message(tx: Transaction, queue: Definition, message_id: int) -> Seen:
    """One message of the queue, which nobody else changes until this transaction ends. Raises NotFound."""
    row = tx.row(Q.hold_message, message_id, queue.id) if 0 < message_id <= MAX_ID else None
    if row is None:
        raise NotFound(f"Queue {queue.name} has no message {message_id}.")
    state, key, holds_key, attempts, fingerprint = row
    return Seen(State(state), key, bool(holds_key), attempts, fingerprint)


def in_one_turn(tx: Transaction, found: Found) -> Found:
    """The first of the messages that go into one commit, by what their bodies weigh."""
    weights = dict(tx.rows(Q.weights, json_ids(id for id, _ in found.messages)))
    n = fitting(weights.get(id, 0) for id, _ in found.messages)
    return found if n >= len(found.messages) else Found(found.messages[:n], found.messages[n - 1][0])


def take_out(tx: Transaction, queue: Definition, messages: list[tuple[int, State]], end: End, ready_until: int = MAX_ID) -> int:
    """Delete messages that are still in the states they were found in, with their failures; how many they were.

    The next of a key is ready in the same commit. A ready message stays if it became so after ``ready_until``. Where the queue
    keeps what has ended, their content and failures stay.
    """
    left: set[str] = set()
    removed: list[tuple[int, int]] = []
    messages = holding.in_state(tx, queue.id, messages)
    keeping = kept.keeps(queue)
    if keeping:
        kept.keep_found(tx, queue, messages, end, ready_until)
    for message_id, state in messages:
        for key, holds_key, attempts in tx.returning(Q.remove, message_id, queue.id, state, ready_until):
            removed.append((message_id, attempts))
            counters.count(tx, queue.id, state, -1)
            if holds_key:
                left.add(key)
            if attempts and not keeping:
                tx.change(HOT.forget_failures, queue.id, message_id)
            if state is State.LEASED:
                tx.outcome.ended.append(receipt_text(queue.id, message_id, attempts))
    _forget(tx, queue, [id for id, _ in removed], keeping=keeping)
    _tell_out(tx, queue, removed, end)
    keys.leave(tx, queue.id, left)
    return len(removed)


def _forget(tx: Transaction, queue: Definition, removed: list[int], *, keeping: bool) -> None:
    """What belonged to them, but for what is kept."""
    if not keeping:
        contents.forget(tx, queue.id, removed)
    if queue.search is not None:
        fields.forget(tx, queue.id, removed)


def _tell_out(tx: Transaction, queue: Definition, removed: list[tuple[int, int]], end: End) -> None:
    """Of a purge something is written where everything is: a kept message says it by itself, and others may be millions. What
    edits says it when the copy has a number.
    """
    if end.outcome != kept.EDITED and (queue.full or end.outcome != kept.PURGED):
        history.note_each(tx, queue, removed, What(end.outcome, actor=end.actor, detail=end.detail, ends=True))


def revive(
    tx: Transaction, queue: Definition, target: Definition, message_id: int, state: State, *, event: str = history.REDRIVEN
) -> int:
    """The message joins the end of ``target`` with its failures forgotten, on a keyed queue the end of its key; its position.

    There it is blocked first, and ready at once if nobody holds the key: that also covers a message that held it itself. Its
    history says ``event``, or that it moved.
    """
    moves = target.id != queue.id
    detail = leaving(tx, queue, target, message_id, state) if moves else None
    key = find_message(tx, queue, message_id).key if target.keyed else None
    revived = State.READY if key is None else State.BLOCKED
    position = sequence.take_one(tx)
    found = tx.returning(Q.revive, message_id, queue.id, state, target.id, revived, position, tx.now, target.ttl)
    if not found:
        raise Conflict("The message changed meanwhile.")
    history.note(tx, queue, [message_id], What(history.MOVED if moves else event, found[0][0], tx.by, detail=detail))
    counters.count(tx, queue.id, state, -1)
    counters.count(tx, target.id, revived, 1)
    if moves:
        carry(tx, queue, target, message_id)
    if key is None:
        became_ready(tx, target.id)
    else:
        keys.leave(tx, target.id, [key])
    return position


def leaving(tx: Transaction, queue: Definition, target: Definition, message_id: int, state: int) -> str:
    """A message is about to leave for another queue: its own keeps it where it keeps any, and that one has it no more as one
    that left. What its history says of the way.
    """
    detail = history.said(to=target.name)
    kept.forget_of(tx, target, message_id)
    if kept.keeps(queue):
        kept.keep_moved(tx, queue, message_id, state, End(kept.MOVED, tx.by, detail))
    return detail


def carry(tx: Transaction, queue: Definition, target: Definition, message_id: int) -> None:
    """A message is another queue's now: so is what belongs to it."""
    tx.change(HOT.move_content, queue.id, message_id, target.id)
    tx.change(HOT.move_failures, queue.id, message_id, target.id)
    if (queue.search or target.search) is not None:
        fields.move(tx, message_id, queue.id, target.id)
