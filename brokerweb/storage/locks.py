"""What transactions of a database with several writers take turns at: locks by kind and number, until the transaction's end.

A single writer has every turn by itself, and takes none. Whoever needs several locks of a kind takes them in one call, or in
the order of their numbers: two that take them the other way round wait for each other, and one of them is refused.
"""

from __future__ import annotations

from enum import IntEnum
from zlib import crc32

BITS = 48  # of the number, in a key that has the kind above them


class Lock(IntEnum):
    """Kinds, in the order in which a transaction takes them."""

    STORE = 1  # alone: whoever reads, decides and writes all over the store
    ONCE = 8  # alone: a transaction that has a dedup_id
    DECLARED = 7  # alone: who declares, changes or deletes what has that name
    QUEUE = 2  # a queue's definition: shared by who acts on the queue, alone for who changes what that rests on
    TURN = 3  # alone: what happens to a queue one after the other, as with keys and limits
    STREAM = 4  # a stream's definition, as QUEUE
    RECORDS = 5  # alone: who removes records of a partition, or changes them; who appends locks the partition's row
    NODES = 9  # alone: a node that begins, or finds others gone


def key(kind: Lock, number: int) -> int:
    """The lock's number in the database."""
    return (kind << BITS) | number


def number_of(*names: str) -> int:
    """The number of what has names alone. Two may have one: then they wait for each other, and no more."""
    return crc32("/".join(names).encode())
