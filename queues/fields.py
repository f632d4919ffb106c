"""Fields that a queue declares for search: their values go with the message. What a job must do about them is in
``brokerweb.jobs.indexing``.
"""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.queues.messages import json_ids
from brokerweb.storage.declared import Carried, DeclaredFields
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues", "search.sql")
_fields = DeclaredFields(Q)
index, declare, drop_all, indexed, find = _fields.index, _fields.declare, _fields.drop_all, _fields.indexed, _fields.find


def index_again(tx: Transaction, queue_id: int, ids: Iterable[int]) -> int:
    """Keep the values of messages that are stored already; how many were there to be indexed."""
    carried = [Carried(*row) for row in tx.rows(Q.contents, json_ids(ids))]
    index(tx, queue_id, carried)
    return len(carried)


def move(tx: Transaction, message_id: int, queue_id: int) -> None:
    """The message is another queue's now, and so are its values."""
    tx.change(Q.forget_values, json_ids([message_id]))
    index_again(tx, queue_id, [message_id])


def forget(tx: Transaction, ids: Iterable[int]) -> None:
    """These messages are gone, and so are their values, when the transaction ends."""
    tx.gathered(_Gone).ids.update(ids)


def redact(tx: Transaction, message_id: int) -> None:
    """The message holds nothing any more."""
    tx.change(Q.forget_values, json_ids([message_id]))


class _Gone:
    """Whose values go with this transaction, by one statement at its end."""

    def __init__(self) -> None:
        self.ids: set[int] = set()

    def flush(self, tx: Transaction) -> None:
        ids, self.ids = self.ids, set()
        if ids:
            tx.change(Q.forget_values, json_ids(sorted(ids)))
