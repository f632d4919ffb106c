"""Fields that queues and streams declare for search: values are written in the commit of what has them, and found by them.

Each declaration of a field is a row with an id of its own, so that dropping one and declaring it again begins anew. Queues and
streams have tables of their own, and statements of the same names.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from brokerweb.core.declared_fields import Contents, Field, parse
from brokerweb.storage.reading import Reads
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction


class Asked(Protocol):
    """A value, and the fields that may have it, by the id of the queue or stream."""

    @property
    def value(self) -> str: ...
    @property
    def fields(self) -> Mapping[int, int]: ...


class Holding(Protocol):
    """A row of a message or record with what it carries."""

    @property
    def id(self) -> int: ...
    @property
    def headers(self) -> str | None: ...
    @property
    def binary(self) -> bool: ...
    @property
    def body(self) -> bytes: ...


class Carried(NamedTuple):
    """What indexing reads of a message or record that is stored already, of ``contents``; a redacted one has no body."""

    id: int
    headers: str | None
    binary: bool
    body: bytes


class DeclaredFields:
    """The fields of all queues, or of all streams: these are the owners."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    def of(self, tx: Transaction, owner_id: int) -> list[tuple[int, Field]]:
        """The owner's fields with their ids, looked up once a transaction."""
        key = (self, owner_id)
        if key not in tx.memo:
            tx.memo[key] = [(id, parse(name)) for id, name in tx.rows(self._statements.fields, owner_id)]
        return tx.memo[key]

    def values(self, tx: Transaction, owner_id: int, found: Iterable[Holding]) -> Iterator[tuple[int, int, str]]:
        """What the owner's fields are in these: whose it is, of which field, and the value."""
        fields = self.of(tx, owner_id)
        for each in found:
            contents = Contents(each)
            for id, field in fields:
                value = contents.value(field)
                if value is not None:
                    yield each.id, id, value

    def declare(self, tx: Transaction, owner_id: int, before: Sequence[str], after: Sequence[str], *, empty: bool) -> None:
        """The owner declares other fields than before. ``empty``: nothing that it has is older than that."""
        for name in before:
            if name not in after:
                tx.change(self._statements.drop_field, owner_id, name)
        for name in after:
            if name not in before:
                tx.change(self._statements.add_field, owner_id, name, empty)
        tx.memo.pop((self, owner_id), None)

    def drop_all(self, tx: Transaction, owner_id: int) -> None:
        """The owner was deleted."""
        tx.change(self._statements.drop_fields, owner_id)

    def indexed(self, reads: Reads, name: str) -> dict[int, int]:
        """The field's id by the owner's, of those that have all its values."""
        return {owner: id for owner, id in reads.rows(self._statements.indexed, name)}  # noqa: C416 (rows of two, as mypy can see)

    def find(self, reads: Reads, asked: Asked, low: int, beyond: int, limit: int) -> list[int]:
        """Ids from ``low`` up to, not including, ``beyond``, the highest first, of which a field has the value."""
        fields = json.dumps(list(asked.fields.values()))
        return [id for (id,) in reads.rows(self._statements.find, fields, asked.value, low, beyond, limit)]
