"""Model fields the store needs on every database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import models

from brokerweb.core import clock


class InstantField(models.BigIntegerField):  # type: ignore[type-arg]  # reads datetimes, stores integers
    """An instant, stored as integer microseconds since 1970 (UTC) and read as an aware datetime.

    Integers, because SQLite's datetime converters parse a text for every value read, and because one comparison rule
    then serves every database. Filters take datetimes or integers.
    """

    def from_db_value(self, value: int | None, *_: Any) -> datetime | None:
        return None if value is None else clock.to_datetime(value)

    def to_python(self, value: Any) -> Any:
        return clock.to_datetime(value) if isinstance(value, int) else value

    def get_prep_value(self, value: Any) -> Any:
        return clock.from_datetime(value) if isinstance(value, datetime) else super().get_prep_value(value)
