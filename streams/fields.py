"""Fields that a stream declares for search: their values are written in the append's commit, and go with the record.

As ``brokerweb.queues.fields``; records go by ranges, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from brokerweb.core.declared_fields import Contents, Field, parse
from brokerweb.storage.locks import Lock
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction
from brokerweb.streams.models import OFFSET_BITS

Q = Statements("brokerweb.streams", "search.sql")


class Asked(Protocol):
    """A value, and the fields that may have it, by the stream's id."""

    @property
    def value(self) -> str: ...
    @property
    def fields(self) -> Mapping[int, int]: ...


class Carried(NamedTuple):
    """What indexing reads of a record, of ``contents``; of a redacted one there is no body."""

    id: int
    headers: str | None
    binary: bool
    body: bytes


def fields_of(tx: Transaction, stream_id: int) -> list[tuple[int, Field]]:
    """The stream's fields with their ids, looked up once a transaction."""
    key = ("search of stream", stream_id)
    if key not in tx.memo:
        tx.memo[key] = [(id, parse(name)) for id, name in tx.rows(Q.fields, stream_id)]
    return tx.memo[key]  # type: ignore[no-any-return]


def index(tx: Transaction, stream_id: int, records: Iterable[Carried]) -> None:
    """Keep the values of the stream's fields in these records."""
    fields, values = fields_of(tx, stream_id), []
    for record in records:
        contents = Contents(record)
        for id, field in fields:
            value = contents.value(field)
            if value is not None:
                values.append((record.id, id, value))
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
    if fields_of(tx, stream_id):
        tx.change(Q.forget_values_between, first, beyond)


def redact(tx: Transaction, record_id: int) -> None:
    """The record holds nothing any more."""
    tx.change(Q.forget_values_between, record_id, record_id + 1)


def declare(tx: Transaction, stream_id: int, before: Sequence[str], after: Sequence[str], *, empty: bool) -> None:
    """The stream declares other fields than before. ``empty``: no record is older than that."""
    for name in before:
        if name not in after:
            tx.change(Q.drop_field, stream_id, name)
    for name in after:
        if name not in before:
            tx.change(Q.add_field, stream_id, name, empty)
    tx.memo.pop(("search of stream", stream_id), None)


def drop_all(tx: Transaction, stream_id: int) -> None:
    """The stream was deleted."""
    tx.change(Q.drop_fields, stream_id)


def indexed(reads: Reads, name: str) -> dict[int, int]:
    """The field's id by the stream's, of streams that have all its values."""
    return {stream_id: id for stream_id, id in reads.rows(Q.indexed, name)}  # noqa: C416 (rows of two, as mypy can see)


def find(reads: Reads, asked: Asked, low: int, beyond: int, limit: int) -> list[int]:
    """Records from ``low`` up to, not including, ``beyond``, the newest first, of which a field has the value."""
    ids = str(list(asked.fields.values()))
    return [id for (id,) in reads.rows(Q.find, ids, asked.value, low, beyond, limit)]
