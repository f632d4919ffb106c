"""Schemas that somebody gave, by which pages read bodies of Avro and Protobuf: made, changed, listed, removed, and found for
where a body lies.

One that is taken can be read with: it was made ready once before. What is too large or does not hold together is refused.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from django.db import transaction
from django.db.models import QuerySet

from brokerweb.core import clock
from brokerweb.core.errors import Conflict, Invalid, NotFound
from brokerweb.core.limits import check_content_type
from brokerweb.core.names import check_name, glob
from brokerweb.decoding import avro, protobuf
from brokerweb.decoding import decoders as decoding
from brokerweb.decoding.effort import Effort
from brokerweb.decoding.values import Refused
from brokerweb.identity import audit, models
from brokerweb.identity.grants import parse_target
from brokerweb.identity.principal import Principal
from brokerweb.storage.declared import declaring_here

AVRO, PROTOBUF = KINDS = ("avro", "protobuf")
MODULES = {AVRO: "fastavro", PROTOBUF: "google.protobuf"}
MOST, MOST_BYTES = 100, 512 * 1024  # schemas; bytes of one
LONGEST_MESSAGE = 500
_READY = 8  # schemas that are kept ready to read with


@dataclass(frozen=True)
class Schema:
    """What is read by it: bodies of what ``pattern`` names, ``orders.*`` or ``queue:orders.*``, of one content type, or without
    one of all whose type says nothing else. ``source`` is the text of an Avro schema, or a descriptor set of Protobuf's, in
    which ``message`` is the full name of what a body is.
    """

    name: str
    kind: str
    pattern: str
    source: bytes
    message: str | None = None
    content_type: str | None = None

    def as_json(self) -> dict[str, Any]:
        """As definitions have it: it says all of it."""
        return {**self._about(), **source_as_json(self.kind, self.source)}

    def told(self) -> dict[str, Any]:
        """As the audit trail has it: of the source what tells it from another."""
        return {**self._about(), "size": len(self.source), "sha256": hashlib.sha256(self.source).hexdigest()}

    def _about(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("name", "kind", "pattern", "content_type", "message")}


def source_as_json(kind: str, source: bytes) -> dict[str, str]:
    """A source as requests and answers have it."""
    if kind == AVRO:
        return {"source": source.decode()}
    return {"source_base64": base64.b64encode(source).decode()}


# What there is


def rows() -> QuerySet[models.Schema]:
    """All, by name, without their sources."""
    return models.Schema.objects.defer("source").order_by("name")


def listed() -> list[Schema]:
    """All, by name."""
    return [of_row(row) for row in models.Schema.objects.order_by("name")]


def find(name: str) -> models.Schema:
    """Raises NotFound."""
    row = models.Schema.objects.filter(name=name).first()
    if row is None:
        raise NotFound("There is no schema of that name.")
    return row


def of_row(row: models.Schema) -> Schema:
    """What a row says."""
    return Schema(row.name, row.kind, row.pattern, bytes(row.source), row.message, row.content_type)


Seen = Callable[[Schema | None], None]


def _whatever(now: Schema | None) -> None:
    """Anything may be there."""


def declare(by: Principal, schema: Schema, *, address: str | None = None, new: bool = False, seen: Seen = _whatever) -> bool:
    """Make it, or put it in the place of the one of its name unless it is to be ``new``; whether it was made. ``seen`` is told
    what there is, which nobody else changes meanwhile; what it raises keeps that as it is.

    Raises Invalid for what cannot be read with, and Conflict of too many, or where what reads it is not installed.
    """
    return store(by, checked(schema), address=address, new=new, seen=seen)


def store(by: Principal, schema: Schema, *, address: str | None = None, new: bool = False, seen: Seen = _whatever) -> bool:
    """``declare`` one that is ``checked``: to make a schema ready takes long, and in a commit others wait for it."""
    with transaction.atomic():
        declaring_here("schemas")
        before = models.Schema.objects.filter(name=schema.name).first()
        if before is not None and new:
            raise Invalid.at("/name", "There is a schema of that name.")
        if before is None and models.Schema.objects.count() >= MOST:
            raise Conflict(f"There are {MOST} schemas, which is as many as there may be: remove one first.")
        seen(None if before is None else of_row(before))
        if before is not None and of_row(before) == schema:
            return False
        told = {"before": None if before is None else of_row(before).told(), "after": schema.told()}
        stamp = {"changed_at": clock.wall(), "changed_by": by.name[:200]}
        values = {name: value for name, value in vars(schema).items() if name != "name"} | {"size": len(schema.source)} | stamp
        made = values | {"created_at": stamp["changed_at"], "created_by": stamp["changed_by"]}
        models.Schema.objects.update_or_create(name=schema.name, defaults=values, create_defaults=made)
        audit.record(by, "schema.declare", f"schema:{schema.name}", detail=told, address=address)
    return before is None


def delete(by: Principal, name: str, *, address: str | None = None) -> None:
    """Raises NotFound."""
    with transaction.atomic():
        declaring_here("schemas")
        row = find(name)
        row.delete()
        told = {"before": of_row(row).told(), "after": None}
        audit.record(by, "schema.delete", f"schema:{name}", detail=told, address=address)


def checked(schema: Schema) -> Schema:
    """The schema, as it is stored. Raises Invalid, and Conflict where what reads it is not installed."""
    made = spelled(schema)
    if not decoding.is_there(MODULES[schema.kind]):
        raise Conflict(f"To read {_label(schema.kind)} install what decodes it: {decoding.EXTRA}")
    try:
        _ready(schema.kind, schema.source, schema.message)
    except Refused as refused:
        raise Invalid.at("/message" if isinstance(refused, protobuf.NoSuchMessage) else "/source", str(refused)) from None
    return made


def spelled(schema: Schema) -> Schema:
    """The schema, as it is stored, whether or not it can be read with. Raises Invalid."""
    check_name(schema.name)
    if schema.kind not in KINDS:
        raise Invalid.at("/kind", f"one of {', '.join(KINDS)}")
    kind, pattern = parse_target(schema.pattern, "/pattern")
    if kind == "topic":
        raise Invalid.at("/pattern", "what is published to a topic is looked at in the queues and streams that it leads to")
    check_content_type(schema.content_type, "/content_type")
    if not 0 < len(schema.source) <= MOST_BYTES:
        raise Invalid.at("/source", f"1 to {MOST_BYTES:,} bytes")
    _check_message(schema)
    return Schema(
        schema.name,
        schema.kind,
        f"{kind}:{pattern}" if kind else pattern,
        schema.source,
        schema.message or None,
        schema.content_type or None,
    )


def _check_message(schema: Schema) -> None:
    if schema.kind == AVRO:
        if schema.message:
            raise Invalid.at("/message", "only Protobuf has it: Avro's schema says what a body is")
        try:
            schema.source.decode()
        except UnicodeDecodeError:
            raise Invalid.at("/source", "Avro's schema is a text, in UTF-8") from None
    elif not schema.message:
        raise Invalid.at("/message", "the full name of the message that a body is, such as shop.Order")
    elif len(schema.message) > LONGEST_MESSAGE or not schema.message.isprintable():
        raise Invalid.at("/message", f"at most {LONGEST_MESSAGE} characters, and all of them printable")


def _label(kind: str) -> str:
    return decoding.BY_NAME[kind].label


# Reading


def holding(kind: str, name: str) -> Sequence[decoding.Schema]:
    """The schemas that hold for the messages of a queue or the records of a stream: those of a content type first, and then by
    how much of the name their patterns say.
    """
    found = [row for row in rows() if _is_of(row.pattern, kind, name)]
    found.sort(key=lambda row: (row.content_type is None, -len(row.pattern.replace("*", "").replace("?", "")), row.name))
    return [decoding.Schema(_decoder(row), row.kind, row.content_type) for row in found]


def _is_of(target: str, kind: str, name: str) -> bool:
    named, _, pattern = target.rpartition(":")
    return named in ("", kind) and glob(pattern).fullmatch(name) is not None


def _decoder(row: models.Schema) -> decoding.Decoder:
    label = f"{_label(row.kind)} by the schema {row.name}"
    return decoding.Decoder(f"{decoding.BY_SCHEMA}{row.name}", label, (), partial(_read, row.pk), MODULES[row.kind])


def _read(key: int, body: bytes, effort: Effort) -> Any:
    row = models.Schema.objects.filter(pk=key).first()
    if row is None:
        raise Refused("The schema is gone meanwhile.")
    return _ready(row.kind, bytes(row.source), row.message)(body, effort)


@lru_cache(maxsize=_READY)
def _ready(kind: str, source: bytes, message: str | None) -> Callable[[bytes, Effort], Any]:
    """What reads a body by a schema. Raises Refused for what is none."""
    if kind == AVRO:
        schema, fingerprint = avro.ready(source)
        return lambda body, effort: avro.read_record(body, schema, fingerprint, effort)
    known = protobuf.checked(source, message or "")
    return lambda body, effort: protobuf.read(body, known, effort)
