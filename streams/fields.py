"""Fields that a stream declares for search: their values go with the record, and by ranges with many."""

from __future__ import annotations

from collections.abc import Iterable

from brokerweb.storage.locks import Lock
from brokerweb.storage.search_fields import Carried, DeclaredFields
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.models import OFFSET_BITS

Q = Statements("brokerweb.streams", "search.sql")
_fields = DeclaredFields(Q)
declare, drop_all, indexed, find = _fields.declare, _fields.drop_all, _fields.indexed, _fields.find


def index(tx: Transaction, stream_id: int, records: Iterable[Carried]) -> None:
    """Keep the values of the stream's fields in these records."""
    values = list(_fields.values(tx, stream_id, records))
    if values:
        tx.change_many(Q.add_value, values)


def index_again(tx: Transaction, stream_id: int, span: tuple[int, int], limit: int) -> list[int]:
    """The same of records that are stored already, in a range of ids; the ids of those that were looked at."""
    tx.alone(Lock.RECORDS, span[0] >> OFFSET_BITS)  # what is read is neither removed nor redacted before its values are there
    found = [Carried(*row) for row in tx.rows(Q.contents, *span, limit)]
    index(tx, stream_id, [record for record in found if record.body is not None])
    return [record.id for record in found]


def forget_between(tx: Transaction, stream_id: int, first: int, beyond: int) -> None:
    """The records of a range are gone."""
    if _fields.of(tx, stream_id):
        tx.change(Q.forget_values_between, first, beyond)


def redact(tx: Transaction, record_id: int) -> None:
    """The record holds nothing any more."""
    tx.change(Q.forget_values_between, record_id, record_id + 1)
