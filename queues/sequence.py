"""Ids and positions: one rising sequence, never used twice."""

from __future__ import annotations

from collections.abc import Sequence

from brokerweb.queues.definitions import Q
from brokerweb.storage.transaction import Transaction

TABLE = "brokerweb_queues_message"
_LAST = ("sequence",)  # in the transaction's memo, and the writer's; no text alone, which would be the name of a queue


def take(tx: Transaction, n: int, *, stored: bool = True) -> Sequence[int]:
    """``n`` rising numbers, in a row unless others take some meanwhile. Pass ``stored=False`` when not each becomes a row's id.

    A rolled back transaction gives its numbers to the next one, which nobody can have seen.
    """
    if not tx.dialect.single_writer:
        return tx.dialect.numbers(tx.raw, TABLE, n)
    last = _last(tx)
    _note(tx, last + n)
    if not stored:
        tx.change(Q.burn_ids, last + n)
    return range(last + 1, last + n + 1)


def take_one(tx: Transaction) -> int:
    """A number that becomes no row's id."""
    return take(tx, 1, stored=False)[0]


def upcoming(tx: Transaction, n: int) -> Sequence[int]:
    """The ``n`` numbers that are given next, if not by this transaction then by none."""
    return range(_last(tx) + 1, _last(tx) + n + 1) if tx.dialect.single_writer else tx.dialect.numbers(tx.raw, TABLE, n)


def _last(tx: Transaction) -> int:
    last: int | None = tx.memo.get(_LAST)
    if last is None and tx.kept is not None:
        last = tx.kept.get(_LAST)
    if last is None:
        last = tx.value(Q.last_id)
        if last is None:
            tx.change(Q.begin_ids)
            last = 0
        _note(tx, last)
    return last


def _note(tx: Transaction, last: int) -> None:
    tx.memo[_LAST] = last
    if tx.kept is not None:
        tx.kept[_LAST] = last
