"""What messages carry, in rows of their own: stored with the message and gone with it, in the same commit.

A message is written once and moves often. Its row is small, since every lease and every return writes it anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from brokerweb.queues.definitions import Q
from brokerweb.queues.messages import json_ids
from brokerweb.queues.rows import MessageRow
from brokerweb.storage.transaction import Transaction

_CARRIED = MessageRow._fields.index("published")  # from here on a row is content


def insert(tx: Transaction, rows: Sequence[MessageRow]) -> None:
    """Store messages, with what they carry."""
    if not rows:  # all were handed over without acknowledgement
        return
    columns = list(zip(*rows, strict=True))
    tx.insert(Q.insert, columns[:_CARRIED])
    tx.insert(Q.insert_content, [columns[0], *columns[_CARRIED:]])


class _Gone:
    """Whose content goes with this transaction: by one statement at its end, however many verbs it has."""

    def __init__(self) -> None:
        self.ids: set[int] = set()

    def flush(self, tx: Transaction) -> None:
        ids, self.ids = self.ids, set()
        if not ids:
            return
        first, last = min(ids), max(ids)
        if last - first + 1 == len(ids):  # as most are that were published together: a third of the time of a list
            tx.change(Q.forget_contents_between, first, last)
        else:
            tx.change(Q.forget_contents, json_ids(sorted(ids)))


def forget(tx: Transaction, ids: Iterable[int]) -> None:
    """These messages are gone, and so is what they carried, when the transaction ends."""
    tx.gathered(_Gone).ids.update(ids)
