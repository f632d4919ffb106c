"""What messages carry, in rows of their own: stored with the message and gone with it, in the same commit.

A message is written once and moves often. Its row is small, since every lease and every return writes it anew.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import json_ids
from brokerweb.queues.rows import MessageRow
from brokerweb.storage.transaction import Transaction

_CARRIED = MessageRow._fields.index("published")  # from here on a row is content


def insert(tx: Transaction, rows: Sequence[MessageRow]) -> None:
    """Store messages, with what they carry."""
    if rows:  # else all were handed over without acknowledgement
        columns = list(zip(*rows, strict=True))
        tx.insert_later(Q.insert, columns[:_CARRIED])
        tx.insert_later(Q.insert_content, [columns[0], columns[1], *columns[_CARRIED:]])


def insert_carried(tx: Transaction, rows: Sequence[MessageRow]) -> None:
    """Store what messages carry, and no more of them."""
    tx.change_many(Q.insert_content, [(row.id, row.queue, *row[_CARRIED:]) for row in rows])


class _Gone:
    """Whose content goes with this transaction: by one statement a queue at its end, however many verbs it has."""

    def __init__(self) -> None:
        self.by_queue: dict[int, set[int]] = {}

    def flush(self, tx: Transaction) -> None:
        by_queue, self.by_queue = self.by_queue, {}
        if len(by_queue) > 1 and tx.dialect.single_writer:
            tx.later(Q.forget_contents_of_any, json_ids(sorted(set().union(*by_queue.values()))))
            return
        for queue_id, ids in sorted(by_queue.items()):
            first, last = min(ids), max(ids)
            if last - first + 1 == len(ids):  # as most are that were published together: a third of the time of a list
                tx.later(Q.forget_contents_between, queue_id, first, last)
            else:
                tx.later(Q.forget_contents, queue_id, json_ids(sorted(ids)))


def forget(tx: Transaction, queue_id: int, ids: Collection[int]) -> None:
    """These messages of a queue are gone, and so is what they carried, when the transaction ends."""
    if ids:
        tx.gathered(_Gone).by_queue.setdefault(queue_id, set()).update(ids)
