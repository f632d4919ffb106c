"""Fields that a queue declares for search: their values are written in the publish's commit, and go with the message.

Each declaration of a field is a row with an id of its own, so that dropping one and declaring it again begins anew. What a job
must do about them is in ``brokerweb.jobs.indexing``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from brokerweb.core.declared_fields import Contents, Field, parse
from brokerweb.queues.messages import json_ids
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.queues", "search.sql")


class Asked(Protocol):
    """A value, and the fields that may have it, by the queue's id."""

    @property
    def value(self) -> str: ...
    @property
    def fields(self) -> Mapping[int, int]: ...


class Holding(Protocol):
    """A row of a message with what it carries."""

    @property
    def id(self) -> int: ...
    @property
    def headers(self) -> str | None: ...
    @property
    def binary(self) -> bool: ...
    @property
    def body(self) -> bytes: ...


class Carried(NamedTuple):
    """What indexing reads of a message, of ``contents``."""

    id: int
    headers: str | None
    binary: bool
    body: bytes


def fields_of(tx: Transaction, queue_id: int) -> list[tuple[int, Field]]:
    """The queue's fields with their ids, looked up once a transaction."""
    key = ("search", queue_id)
    if key not in tx.memo:
        tx.memo[key] = [(id, parse(name)) for id, name in tx.rows(Q.fields, queue_id)]
    return tx.memo[key]  # type: ignore[no-any-return]


def index(tx: Transaction, queue_id: int, messages: Iterable[Holding]) -> None:
    """Keep the values of the queue's fields in these messages."""
    fields, values = fields_of(tx, queue_id), []
    for message in messages:
        contents = Contents(message)
        for id, field in fields:
            value = contents.value(field)
            if value is not None:
                values.append((queue_id, message.id, id, value))
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


def declare(tx: Transaction, queue_id: int, before: Sequence[str], after: Sequence[str], *, empty: bool) -> None:
    """The queue declares other fields than before. ``empty``: no message is older than that."""
    for name in before:
        if name not in after:
            tx.change(Q.drop_field, queue_id, name)
    for name in after:
        if name not in before:
            tx.change(Q.add_field, queue_id, name, empty)
    tx.memo.pop(("search", queue_id), None)


def drop_all(tx: Transaction, queue_id: int) -> None:
    """The queue was deleted."""
    tx.change(Q.drop_fields, queue_id)


def indexed(reads: Reads, name: str) -> dict[int, int]:
    """The field's id by the queue's, of queues that have all its values."""
    return {queue_id: id for queue_id, id in reads.rows(Q.indexed, name)}  # noqa: C416 (rows of two, as mypy can see)


def find(reads: Reads, asked: Asked, low: int, beyond: int, limit: int) -> list[int]:
    """Messages from ``low`` up to, not including, ``beyond``, the newest first, of which a field has the value."""
    return [id for (id,) in reads.rows(Q.find, json_ids(asked.fields.values()), asked.value, low, beyond, limit)]
