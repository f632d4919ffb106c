"""The two steps the operators' verbs are made of: taking messages out, and putting one back at the end."""

from __future__ import annotations

from typing import NamedTuple

from brokerweb.core.batches import fitting
from brokerweb.core.errors import Conflict, NotFound
from brokerweb.queues import contents, counters, keys, sequence
from brokerweb.queues.definitions import Definition
from brokerweb.queues.definitions import Q as HOT
from brokerweb.queues.filters import MAX_ID
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


def find_message(tx: Transaction, queue: Definition, message_id: int) -> Seen:
    """One message of the queue. Raises NotFound."""
    row = tx.row(Q.find_message, message_id, queue.id) if 0 < message_id <= MAX_ID else None
    if row is None:
        raise NotFound(f"Queue {queue.name} has no message {message_id}.")
    state, key, holds_key = row
    return Seen(State(state), key, bool(holds_key))


def in_one_turn(tx: Transaction, found: Found) -> Found:
    """The first of the messages that go into one commit, by what their bodies weigh."""
    weights = dict(tx.rows(Q.weights, json_ids(id for id, _ in found.messages)))
    n = fitting(weights.get(id, 0) for id, _ in found.messages)
    return found if n >= len(found.messages) else Found(found.messages[:n], found.messages[n - 1][0])


def take_out(tx: Transaction, queue: Definition, messages: list[tuple[int, State]], ready_until: int = MAX_ID) -> int:
    """Delete messages that are still in the states they were found in, with their failures; how many they were.

    The next of a key is ready in the same commit. A ready message stays if it became so after ``ready_until``.
    """
    left: set[str] = set()
    removed: list[int] = []
    for message_id, state in messages:
        for key, holds_key, attempts in tx.returning(Q.remove, message_id, queue.id, state, ready_until):
            removed.append(message_id)
            counters.count(tx, queue.id, state, -1)
            if holds_key:
                left.add(key)
            if attempts:
                tx.change(HOT.forget_failures, message_id)
            if state is State.LEASED:
                tx.outcome.ended.append(receipt_text(queue.id, message_id, attempts))
    contents.forget(tx, removed)
    keys.leave(tx, queue.id, left)
    return len(removed)


def revive(tx: Transaction, queue: Definition, target: Definition, message_id: int, state: State) -> None:
    """The message joins the end of ``target`` with its failures forgotten; on a keyed queue the end of its key.

    There it is blocked first, and ready at once if nobody holds the key: that also covers a message that held it itself.
    """
    key = find_message(tx, queue, message_id).key if target.keyed else None
    revived = State.READY if key is None else State.BLOCKED
    position = sequence.take(tx, 1, stored=False)
    if not tx.change(Q.revive, message_id, queue.id, state, target.id, revived, position, tx.now, target.ttl):
        raise Conflict("The message changed meanwhile.")
    counters.count(tx, queue.id, state, -1)
    counters.count(tx, target.id, revived, 1)
    if key is None:
        became_ready(tx, target.id)
    else:
        keys.leave(tx, target.id, [key])
