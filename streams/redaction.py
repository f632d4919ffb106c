"""Redaction of a record: what it held is gone; its offset, key and instant stay, so that positions mean what they did."""

from __future__ import annotations

from brokerweb.core.errors import NotFound
from brokerweb.core.redactions import Left, said
from brokerweb.storage.locks import Lock
from brokerweb.storage.transaction import Transaction
from brokerweb.streams import fields
from brokerweb.streams.control import C
from brokerweb.streams.definitions import Definition, forget
from brokerweb.streams.models import MAX_OFFSET
from brokerweb.streams.reading import check_range


def redact(tx: Transaction, found: Definition, number: int, offset: int, *, by: str) -> None:
    """Body and headers of a record are gone. Raises OffsetOutOfRange, and NotFound for one that compaction took or that is not
    there yet."""
    partition = found.partitions[number]
    check_range(partition, offset)
    tx.alone(Lock.RECORDS, partition.id)  # the checksum is of what is read, and the partition's bytes are counted down once
    id = partition.record_id(min(offset, MAX_OFFSET))
    row = tx.row(C.contents, id)
    if row is None:
        raise NotFound(f"There is no record {number}-{offset} in stream {found.name}.")
    *kept, weight = row
    left = Left(*kept)
    fields.redact(tx, id)
    tx.change(C.redact, id, left.body, left.checksum(id), said(by, tx.wall))
    tx.change(C.lighten, partition.id, weight - len(left.body) - len((left.key or "").encode()))
    forget(tx, found.name)
