"""Ids and positions: one rising sequence, never used twice."""

from __future__ import annotations

from brokerweb.queues.definitions import Q
from brokerweb.storage.transaction import Transaction

TABLE = "brokerweb_queues_message"
_LAST = ("sequence",)  # in the transaction's memo; no text alone, which would be the name of a queue


def take(tx: Transaction, n: int, *, stored: bool = True) -> int:
    """The first of ``n`` numbers in a row. Pass ``stored=False`` when not every number becomes a row's id.

    A rolled back transaction gives its numbers to the next one, which nobody can have seen.
    """
    if not tx.dialect.single_writer:
        return tx.dialect.numbers(tx.raw, TABLE, n)
    last = _last(tx)
    tx.memo[_LAST] = last + n
    if not stored:
        tx.change(Q.burn_ids, last + n)
    return last + 1


def upcoming(tx: Transaction) -> int:
    """The number that is given next, if not by this transaction then by none."""
    return _last(tx) + 1 if tx.dialect.single_writer else tx.dialect.numbers(tx.raw, TABLE, 1)


def _last(tx: Transaction) -> int:
    last: int | None = tx.memo.get(_LAST)
    if last is None:
        last = tx.value(Q.last_id)
        if last is None:
            tx.change(Q.begin_ids)
            last = 0
        tx.memo[_LAST] = last
    return last
