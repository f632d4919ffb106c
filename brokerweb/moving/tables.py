"""What is copied: the tables, in an order in which rows come after those that they refer to, and how their values are read,
compared and written.

All of brokerweb's models but those of running processes, and of other apps what they refer to: users, groups, permissions.
Sessions, too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from django.apps import apps
from django.db import models
from xxhash import xxh3_128_intdigest as digest

from brokerweb.storage.fields import BrokerInstantField

Row = list[Any]
GENERATED = ("contenttypes.contenttype", "auth.permission")  # ``migrate`` makes these
# Of the app of nodes: the rest of it is of processes that run, and begins anew.
KEPT_OF_NODES = (
    *("secret", "freshsamples", "hourofsamples", "mark", "publisher"),
    *("alertrule", "alertchannel", "alert", "alertsilence", "alertnotice"),
)
# Read and written alike by every database's driver; whatever else there is goes through Django.
PLAIN = (models.CharField, models.TextField, models.IntegerField, models.FloatField)
_encode = msgspec.msgpack.Encoder(enc_hook=repr).encode


class Column:
    """One column: ``read`` a driver's value, ``write`` it for a driver, ``compared`` as."""

    def __init__(self, field: Any) -> None:
        self.field, self.name = field, str(field.column)
        self.lasts = isinstance(field, BrokerInstantField)
        kind = field.target_field if field.remote_field else field
        self.plain = isinstance(kind, PLAIN)
        self.flag = isinstance(kind, models.BooleanField)
        self.json = isinstance(kind, models.JSONField)
        self.bytes = isinstance(kind, models.BinaryField)

    def reader(self, connection: Any) -> Callable[[Any], Any] | None:
        """What makes of a driver's value one that every database's driver has; None where that is so already."""
        if self.plain:
            return None
        if self.flag:
            return bool
        if self.bytes:
            return bytes
        if self.json:
            return lambda value: json.loads(value) if isinstance(value, str | bytes) else value
        column = self.field.cached_col
        converters = [*connection.ops.get_db_converters(column), *self.field.get_db_converters(connection)]

        def convert(value: Any) -> Any:
            for converter in converters:
                value = converter(value, column, connection)
            return value

        return convert if converters else None

    def writer(self, connection: Any) -> Callable[[Any], Any] | None:
        """What makes a driver's value of it."""
        if self.plain or self.bytes:
            return None
        if self.flag:
            return int if connection.vendor == "sqlite" else None
        if self.json:
            return lambda value: json.dumps(value)
        return lambda value: self.field.get_db_prep_value(value, connection, prepared=True)

    @property
    def compared(self) -> Callable[[Any], Any] | None:
        """What is alike on every database: of JSON neither the order of members nor how a number is written."""
        if self.json:
            return lambda value: json.dumps(json.loads(json.dumps(value), parse_int=float), sort_keys=True)
        return None if self.plain or self.flag or self.bytes else _stamp


def _stamp(value: Any) -> Any:
    return value.timestamp() if isinstance(value, datetime) else value


class Table:
    """The rows of one model."""

    def __init__(self, model: type[models.Model]) -> None:
        self.model, self.name = model, model._meta.db_table
        self.columns = [Column(field) for field in model._meta.concrete_fields]
        named = [column.name for column in self.columns]
        self.key = [named.index(str(field.column)) for field in model._meta.pk_fields]
        self.place = {name: n for n, name in enumerate(named)}
        self.lasting = [n for n, column in enumerate(self.columns) if column.lasts]
        self.heavy = any(column.bytes for column in self.columns)
        self.counted = model._meta.auto_field is not None

    @property
    def generated(self) -> bool:
        return self.model._meta.label_lower in GENERATED

    def key_of(self, row: Row) -> list[Any]:
        return [row[n] for n in self.key]


def tables() -> list[Table]:
    """All that are copied, those that others refer to first."""
    ordered: list[type[models.Model]] = []

    def add(model: type[models.Model], above: tuple[type[models.Model], ...] = ()) -> None:
        if model in ordered or model in above or model._meta.proxy or not model._meta.managed:
            return
        for field in model._meta.concrete_fields:
            if field.remote_field is not None:
                add(field.remote_field.model, (*above, model))
        ordered.append(model)
        for several in model._meta.local_many_to_many:
            add(several.remote_field.model)
            add(several.remote_field.through)  # type: ignore[arg-type]  # it has one

    for model in _roots():
        add(model)
    return [Table(model) for model in ordered]


def _roots() -> Iterator[type[models.Model]]:
    for model in apps.get_models():
        label, name = model._meta.app_label, model._meta.model_name
        if label == "sessions" or (label.startswith("brokerweb_") and (label != "brokerweb_cluster" or name in KEPT_OF_NODES)):
            yield model


@dataclass
class Sum:
    """Of rows in whatever order: two tables with the same have the same rows."""

    rows: int = 0
    checksum: int = 0

    def add(self, table: Table, rows: Iterable[Sequence[Any]]) -> None:
        changed = [(n, column.compared) for n, column in enumerate(table.columns) if column.compared is not None]
        for row in rows:
            values = list(row)
            for n, compared in changed:
                values[n] = None if values[n] is None else compared(values[n])
            self.rows += 1
            self.checksum = (self.checksum + digest(_encode(values))) % (1 << 128)
