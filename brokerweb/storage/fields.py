"""Model fields the store needs on every database."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.lookups import Exact
from django.db.models.sql.compiler import SQLCompiler

from brokerweb.core import clock


class InstantField(models.BigIntegerField):  # type: ignore[type-arg]  # reads datetimes, stores integers
    """An instant of the wall, stored as integer microseconds since 1970 (UTC) and read as an aware datetime.

    Integers, because SQLite's datetime converters parse a text for every value read, and because one comparison rule
    then serves every database. Filters take datetimes, RFC 3339 texts or integers.
    """

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else clock.to_datetime(value)

    @property
    def validators(self) -> Sequence[Callable[[Any], None]]:  # type: ignore[override]  # there it is cached
        # Without those of an integer's range, which compare it with what is a datetime here.
        return [*self.default_validators, *self._validators]  # type: ignore[attr-defined]  # the stubs lack it

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str):
            try:
                value = clock.parse_rfc3339(value)
            except ValueError as error:
                raise ValidationError(str(error)) from error
        return clock.to_datetime(value) if isinstance(value, int) else value

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, str):
            return clock.parse_rfc3339(value)
        return clock.from_datetime(value) if isinstance(value, datetime) else super().get_prep_value(value)


class FlagField(models.BooleanField):  # type: ignore[type-arg]  # generic in its stubs alone
    """A boolean for conditions of partial indexes: true is the column as it stands, on every Django and database.

    SQLite uses a partial index only for a statement that says the index's condition in the same words, and PostgreSQL has no
    ``flag = 1``, which is what Django writes for SQLite since 6.1.
    """


@FlagField.register_lookup
class FlagIs(Exact):
    """``flag=True`` and ``flag=False``."""

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> tuple[str, Any]:
        if not isinstance(self.rhs, bool):
            return super().as_sql(compiler, connection)
        column, params = self.process_lhs(compiler, connection)
        return (column if self.rhs else f"NOT {column}"), params


class BrokerInstantField(InstantField):
    """An instant of the broker's clock, which the wall's steps do not move: read as the wall names it at that moment.

    Filters by datetimes and texts are of the wall, as what is read is; integers are of the broker's clock, as what is stored is.
    """

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else clock.to_datetime(clock.to_wall(value))

    def to_python(self, value: Any) -> Any:
        return super().to_python(clock.to_wall(value) if isinstance(value, int) else value)

    def get_prep_value(self, value: Any) -> Any:
        instant = super().get_prep_value(value)
        return clock.from_wall(instant) if isinstance(value, str | datetime) else instant


class TextsField(models.TextField):  # type: ignore[type-arg]  # reads lists, stores text
    """A short list of texts, stored as a JSON array; an empty one as NULL, which statements tell at a glance."""

    def from_db_value(self, value: str | None, *_: Any) -> list[str]:
        return [] if value is None else list(json.loads(value))

    def to_python(self, value: Any) -> Any:
        return json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return json.dumps(list(value), ensure_ascii=False) if value else None


class RowOfField(models.OneToOneField):  # type: ignore[type-arg]  # as above
    """The primary key of what belongs to one row of another table, by the same number.

    On SQLite ``integer``: only that is the row's own number, and any other type is an index beside the table.
    """

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        return "integer" if connection.vendor == "sqlite" else super().db_type(connection)
