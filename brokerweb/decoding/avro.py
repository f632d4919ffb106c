"""Avro: files that carry their schema, and single records by one that somebody gave. ``fastavro`` says what a schema is.

A body and the schema of a file are a stranger's. Values are read here and not by the library, which follows types within
themselves until the stack ends, and builds whatever number of values that take no byte. What a schema calls a logical type stays
as it is stored.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from importlib import import_module
from itertools import islice, repeat
from typing import Any

from brokerweb.decoding.effort import Effort
from brokerweb.decoding.reader import Reader
from brokerweb.decoding.values import DEEPEST, Members, Number, Other, Refused, Told

MAGIC, SINGLE, CONFLUENT = b"Obj\x01", b"\xc3\x01", b"\x00"  # of a file, of single records with a fingerprint or a registry's id
MOST_ROWS, MOST_TYPES, LONGEST = 1_000, 2_000, 500  # LONGEST: characters of a name
_SIMPLE = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_FLOATS = {"float": "<f", "double": "<d"}


class Type:
    """What a schema says of one place. ``within``: of a record its fields, of an array or map the type in it, of a union those
    that it may be, of an enum its words, of what is fixed its length.
    """

    __slots__ = ("kind", "within")

    def __init__(self, kind: str, within: Any = None) -> None:
        self.kind, self.within = kind, within


def read_file(body: bytes, effort: Effort | None = None) -> Any:
    """The rows of a file; the first of them. Raises Refused."""
    if not body.startswith(MAGIC):
        raise Refused("It is no file of Avro's: a single record is read with its schema.")
    reader = Reader(body, effort)
    reader.take(len(MAGIC))
    about = dict(_about(reader))
    codec = about.get("avro.codec", b"null")
    if codec != b"null":
        raise Refused(f"It is compressed ({codec.decode(errors='replace')[:20]}): the download has it.")
    schema = checked(about.get("avro.schema", b""))
    reader.take(16)
    return list(islice(_rows(reader, schema), MOST_ROWS))


def read_record(body: bytes, schema: Type, fingerprint: bytes, effort: Effort | None = None) -> Told:
    """One record, bare or behind a head that names its schema, and which of these it is. Raises Refused."""
    effort = effort or Effort()
    if body.startswith(SINGLE + fingerprint):
        return Told(_whole(body[10:], schema, effort), "with the schema's fingerprint before it")
    if body.startswith(CONFLUENT) and len(body) > 5:
        try:
            return Told(_whole(body[5:], schema, effort), f"with a registry's id before it, {int.from_bytes(body[1:5], 'big')}")
        except Refused:
            pass  # it may be a record that begins so
    try:
        return Told(_whole(body, schema, effort))
    except Refused as refused:
        if body.startswith(SINGLE) and len(body) >= 10:
            raise Refused(f"It is of another schema, whose fingerprint is {body[2:10].hex()}.") from None
        raise refused


def _whole(body: bytes, schema: Type, effort: Effort) -> Any:
    reader = Reader(body, effort)
    value = _value(reader, schema)
    reader.end()
    return value


def _about(reader: Reader) -> Iterator[tuple[str, bytes]]:
    """What a file's head says of it."""
    for _ in _items(reader):
        reader.begin()
        name = reader.take(_length(reader)).decode(errors="replace")
        yield name, reader.take(_length(reader))


def _rows(reader: Reader, schema: Type) -> Iterator[Any]:
    """Of every block, each with how many rows it has, and their bytes."""
    while reader.left:
        count, block = _length(reader), Reader(reader.take(_length(reader)), reader.effort, reader.values)
        for _ in _times(count):
            yield _value(block, schema)
        reader.values = block.values
        reader.take(16)


# Values


def _value(reader: Reader, of: Type) -> Any:
    reader.begin()
    kind = of.kind
    if kind == "union":
        return _value(reader, _chosen(reader, of.within))
    if kind in ("record", "array", "map"):
        reader.enter()
        found = _holding(reader, of)
        reader.leave()
        return found
    if kind in _FLOATS:
        return Number(struct.unpack(_FLOATS[kind], reader.take(struct.calcsize(_FLOATS[kind])))[0])
    if kind in ("string", "bytes", "fixed"):
        return _taken(reader, of)
    return None if kind == "null" else _numbered(reader, of)


def _holding(reader: Reader, of: Type) -> Any:
    if of.kind == "record":
        return Members([(name, _value(reader, inner)) for name, inner in of.within])
    if of.kind == "array":
        return [_value(reader, of.within) for _ in _items(reader)]
    return Members([(_text(reader.take(_length(reader))), _value(reader, of.within)) for _ in _items(reader)])


def _taken(reader: Reader, of: Type) -> Any:
    part = reader.take(of.within if of.kind == "fixed" else _length(reader))
    return _text(part) if of.kind == "string" else Other(f"bytes {part.hex(' ')}")


def _numbered(reader: Reader, of: Type) -> Any:
    """A boolean, an enum, an int or a long."""
    if of.kind == "enum":
        return _chosen(reader, of.within)
    if of.kind == "boolean":
        byte = reader.number(1)
        if byte > 1:
            raise Refused("It has a boolean that is neither true nor false.")
        return bool(byte)
    number = _long(reader)
    if of.kind == "int" and not -(2**31) <= number < 2**31:
        raise Refused("It has an int of more than 32 bits.")
    return Number(number)


def _items(reader: Reader) -> Iterator[None]:
    """So often as the blocks of an array or map say. Whoever asks counts what comes: what it takes may be nothing."""
    while count := _long(reader):
        if count < 0:
            count = -count
            _length(reader)
        yield from _times(count)


def _times(count: int) -> Iterator[None]:
    return repeat(None, min(count, 2**62))


def _chosen(reader: Reader, among: list[Any]) -> Any:
    number = _long(reader)
    if not 0 <= number < len(among):
        raise Refused("It has a choice that its schema does not have.")
    return among[number]


def _text(part: bytes) -> str:
    try:
        return part.decode()
    except UnicodeDecodeError:
        raise Refused("It has a text that is no UTF-8.") from None


def _long(reader: Reader) -> int:
    value = reader.varint()
    return (value >> 1) ^ -(value & 1)


def _length(reader: Reader) -> int:
    length = _long(reader)
    if length < 0:
        raise Refused("It has a length below nothing.")
    return length


# Schemas


def checked(text: bytes | str) -> Type:
    """A schema, ready to read with. Raises Refused for what is none, or is too large or deep."""
    return _made(text)[0]


def ready(text: bytes | str) -> tuple[Type, bytes]:
    """A schema as ``checked`` has it, and its fingerprint as single records have it. Raises Refused."""
    made, given = _made(text)
    library = import_module("fastavro.schema")
    return made, bytes.fromhex(library.fingerprint(library.to_parsing_canonical_form(given), "CRC-64-AVRO"))


def _made(text: bytes | str) -> tuple[Type, Any]:
    try:
        given = json.loads(text)
        made = _Schemas().take(given)
        import_module("fastavro").parse_schema(given)
    except RecursionError:
        raise Refused("Its schema is nested too deep.") from None
    except Refused:
        raise
    except Exception as error:  # a library's own, or of a schema that is none
        raise Refused(f"Its schema cannot be read: {str(error)[:200]}") from None
    return made, given


class _Schemas:
    """One schema: the types in it that have names, also while they are made, since they may be within themselves."""

    def __init__(self) -> None:
        self._known: dict[str, Type] = {}
        self._types = self._depth = 0

    def take(self, schema: Any, space: str = "") -> Type:
        """The type that a schema is, in a namespace. Raises Refused, and what Python does of what is no schema."""
        self._types += 1
        self._depth += 1
        if self._types > MOST_TYPES:
            raise Refused("Its schema is too large.")
        if self._depth > DEEPEST:
            raise Refused("Its schema is nested too deep.")
        made = self._taken(schema, space)
        self._depth -= 1
        return made

    def _taken(self, schema: Any, space: str) -> Type:
        if isinstance(schema, list):
            return Type("union", [self.take(each, space) for each in schema])
        if isinstance(schema, str):
            return self._named(schema, space)
        kind = schema["type"]
        if kind in ("array", "map"):
            return Type(kind, self.take(schema["items" if kind == "array" else "values"], space))
        if kind in ("record", "error", "enum", "fixed"):
            return self._define(schema, kind, space)
        return self.take(kind, space)

    def _define(self, schema: Any, kind: str, space: str) -> Type:
        name = _full(schema, space)
        made = self._known[name] = Type("record" if kind == "error" else kind)
        if kind == "fixed":
            made.within = int(schema["size"])
            if made.within < 0:
                raise Refused("Its schema has something of a size below nothing.")
        elif kind == "enum":
            made.within = [str(word) for word in schema["symbols"]]
        else:
            inner = name.rpartition(".")[0]
            made.within = [(str(field["name"]), self.take(field["type"], inner)) for field in schema["fields"]]
        return made

    def _named(self, name: str, space: str) -> Type:
        if name in _SIMPLE:
            return Type(name)
        known = self._known.get(f"{space}.{name}" if space and "." not in name else name) or self._known.get(name)
        if known is None:
            raise Refused(f"Its schema names {name[:60]}, which it does not define.")
        return known


def _full(schema: Any, space: str) -> str:
    name, own = str(schema["name"]), schema.get("namespace", space)
    full = name if "." in name or not own else f"{own}.{name}"
    if len(full) > LONGEST:  # each is in the names of all that is within it
        raise Refused(f"Its schema has a name longer than {LONGEST} characters.")
    return full
