"""Fields that a queue declares for search: their values go with the message. What a job must do about them is in
``brokerweb.jobs.indexing``.
"""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.queues.messages import json_ids
from brokerweb.storage.search_fields import Carried, DeclaredFields, Holding
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues", "search.sql")
_fields = DeclaredFields(Q)
declare, drop_all, indexed, find = _fields.declare, _fields.drop_all, _fields.indexed, _fields.find


def index(tx: Transaction, queue_id: int, messages: Iterable[Holding]) -> None:
    """Keep the values of the queue's fields in these messages."""
    values = [(queue_id, *value) for value in _fields.values(tx, queue_id, messages)]
    if values:
        tx.change_many(Q.add_value, values)


def index_again(tx: Transaction, queue_id: int, ids: Iterable[int]) -> int:
    """The same of messages that are stored already; how many were there to be indexed."""
    carried = [Carried(*row) for row in tx.rows(Q.contents, json_ids(ids))]
    index(tx, queue_id, carried)
    return len(carried)


def move(tx: Transaction, message_id: int, queue_id: int, target_id: int) -> None:
    """The message is another queue's now, and so are its values."""
    tx.change(Q.forget_values, queue_id, json_ids([message_id]))
    index_again(tx, target_id, [message_id])


def forget(tx: Transaction, queue_id: int, ids: Iterable[int]) -> None:
    """These messages of a queue are gone, and so are their values, when the transaction ends."""
    tx.gathered(_Gone).by_queue.setdefault(queue_id, set()).update(ids)


def redact(tx: Transaction, queue_id: int, message_id: int) -> None:
    """The message holds nothing any more."""
    tx.change(Q.forget_values, queue_id, json_ids([message_id]))


class _Gone:
    """Whose values go with this transaction, by one statement a queue at its end.

    After what they carried: who indexes them meanwhile has locked that, and is waited for.
    """

    def __init__(self) -> None:
        self.by_queue: dict[int, set[int]] = {}

    def flush(self, tx: Transaction) -> None:
        by_queue, self.by_queue = self.by_queue, {}
        for queue_id, ids in sorted(by_queue.items()):
            if ids:
                tx.change(Q.forget_values, queue_id, json_ids(sorted(ids)))
