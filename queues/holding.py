"""Messages that were read and are about to be changed: of several writers they are locked first, and looked at again.

With a single writer they are as they were read, and nothing is done.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import json_ids
from brokerweb.queues.states import State
from brokerweb.storage.transaction import Transaction


class Stand(NamedTuple):
    """How a locked message stands, of ``lock`` and ``lock_free``."""

    id: int
    state: int
    attempts: int
    due_at: int
    deliver_at: int | None
    expires_at: int | None


def in_state(tx: Transaction, queue_id: int, messages: list[tuple[int, State]]) -> list[tuple[int, State]]:
    """Those of these messages that are still in the states they were found in, when nobody else is about to change them."""
    if tx.dialect.single_writer or not messages:
        return messages
    now = {row[0]: row[1] for row in tx.rows(Q.lock, queue_id, json_ids(id for id, _ in messages))}
    return [(id, state) for id, state in messages if now.get(id) == state]


def free(tx: Transaction, queue_id: int, ids: Iterable[int]) -> dict[int, Stand]:
    """How these stand, but for those that somebody else is about to change. Only of several writers."""
    return {row[0]: Stand(*row) for row in tx.rows(Q.lock_free, queue_id, json_ids(ids))}
