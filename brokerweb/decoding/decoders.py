"""What bodies may be read as, and which of that one is: as it is asked, by a schema that somebody gave for what is where it lies,
as its type says, else as it looks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

from brokerweb.decoding import avro, cbor, messagepack, wire
from brokerweb.decoding.effort import Effort, TooCostly
from brokerweb.decoding.values import LONGEST_DECODED, Members, Number, Refused, Told

UNSAID = ("", "application/octet-stream")  # types that say nothing
EXTRA = "pip install 'brokerweb[decoders]'"
BY_SCHEMA = "schema:"  # before a schema's name, where it is asked for
MOST_TRIED = 5  # schemas


class Decoder(NamedTuple):
    """One way to read a body: as pages call it, the types that say so, the module that reads it."""

    name: str
    label: str
    types: tuple[str, ...]
    read: Callable[[bytes, Effort], Any]
    module: str | None = None

    @property
    def there(self) -> bool:
        """Whether what it needs is installed."""
        return self.module is None or is_there(self.module)


def is_there(module: str) -> bool:
    """Whether a library is installed."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even what it is in
        return False


class Schema(NamedTuple):
    """A way to read bodies that somebody gave: ``decoder`` is named ``schema:NAME``. It holds for those of one content type, or
    without one for those whose type says nothing else than its ``format``.
    """

    decoder: Decoder
    format: str  # a decoder's name
    content_type: str | None = None

    def holds(self, content_type: str) -> bool:
        """Whether it is for bodies of that type."""
        kind = content_type.partition(";")[0].strip().lower()
        if self.content_type:
            return kind == self.content_type.partition(";")[0].strip().lower()
        stated = _stated(content_type)
        return kind in UNSAID if stated is None else stated.name == self.format


class Decoded(NamedTuple):
    """A body's value and who read it; ``guessed``: only its looks say that it is that. Without a decoder ``note`` is why, else
    how it was written. ``misfit`` is why the schema that should have does not read it.
    """

    decoder: Decoder | None
    value: Any = None
    guessed: bool = False
    note: str = ""
    misfit: str = ""


def _json(body: bytes, effort: Effort) -> Any:
    return json.loads(
        body.decode(),
        parse_int=Number,
        parse_float=Number,
        parse_constant=_refuse,
        object_pairs_hook=Members,
    )


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


DECODERS = (
    Decoder("json", "JSON", ("application/json",), _json),
    Decoder(
        "msgpack", "MessagePack", ("application/msgpack", "application/x-msgpack", "application/vnd.msgpack"), messagepack.read
    ),
    Decoder("cbor", "CBOR", ("application/cbor",), cbor.read),
    Decoder(
        "avro",
        "Avro",
        ("application/avro", "avro/binary", "application/vnd.apache.avro", "application/vnd.apache.avro+binary"),
        avro.read_file,
        "fastavro",
    ),
    Decoder(
        "protobuf", "Protobuf", ("application/protobuf", "application/x-protobuf", "application/vnd.google.protobuf"), wire.read
    ),
)
BY_NAME: Mapping[str, Decoder] = {decoder.name: decoder for decoder in DECODERS}
_BY_TYPE = {kind: decoder for decoder in DECODERS for kind in decoder.types}
_SUFFIXES = {
    "+json": "json",
    "+msgpack": "msgpack",
    "+cbor": "cbor",
    "+avro": "avro",
    "+protobuf": "protobuf",
    "+proto": "protobuf",
}


def decode(body: bytes, content_type: str, asked: str = "", schemas: Sequence[Schema] = ()) -> Decoded:
    """The value of a body; without a decoder where it is none that is known, too long, or too costly to read."""
    if len(body) > LONGEST_DECODED:
        return Decoded(None, note="It is too long to be read here: the download has it.")
    effort, misfit = Effort(), ""
    try:
        for schema in _fitting(body, content_type, asked, schemas):
            found = _as(schema.decoder, body, effort)
            if found.decoder is not None:
                return found
            misfit = misfit or found.note
        return _without(body, content_type, asked, effort)._replace(misfit=misfit)
    except TooCostly as costly:
        return Decoded(None, note=str(costly))


def _fitting(body: bytes, content_type: str, asked: str, schemas: Sequence[Schema]) -> Sequence[Schema]:
    """The schemas by which a body may be read, those that are closest first; none of one that brings its own."""
    if asked:
        return [schema for schema in schemas if schema.decoder.name == asked]
    if body.startswith(avro.MAGIC):
        return []
    return [schema for schema in schemas if schema.holds(content_type)][:MOST_TRIED]


def _without(body: bytes, content_type: str, asked: str, effort: Effort) -> Decoded:
    if asked in BY_NAME:
        return _as(BY_NAME[asked], body, effort)
    stated = _stated(content_type)
    if stated is not None:
        return _as(stated, body, effort)
    unsaid = content_type.partition(";")[0].strip().lower() in UNSAID
    for decoder in _looks_like(body) if unsaid else [BY_NAME["json"]]:
        found = _as(decoder, body, effort)
        if found.decoder is not None and (decoder.name == "json" or isinstance(found.value, list)):
            return found._replace(guessed=decoder.name != "json")
    return Decoded(None)


def _stated(content_type: str) -> Decoder | None:
    kind = content_type.partition(";")[0].strip().lower()
    named = next((name for suffix, name in _SUFFIXES.items() if kind.endswith(suffix)), "")
    return _BY_TYPE.get(kind) or BY_NAME.get(named)


def _looks_like(body: bytes) -> list[Decoder]:
    """What it may be without saying so: its first byte begins an object or array, or it is text."""
    if body.startswith(avro.MAGIC):
        return [BY_NAME["avro"]]
    first = body[:1]
    names = [] if not first else ["json"] if first in b' \t\r\n[{"-0123456789tfn' else []
    if first and (0x80 <= first[0] <= 0x9F or 0xDC <= first[0] <= 0xDF):
        names.append("msgpack")
    if first and 0x80 <= first[0] <= 0xBF:
        names.append("cbor")
    return [BY_NAME[name] for name in names if BY_NAME[name].there]


def _as(decoder: Decoder, body: bytes, effort: Effort) -> Decoded:
    """Raises TooCostly."""
    if not decoder.there:
        return Decoded(None, note=f"To read {decoder.label} install what decodes it: {EXTRA}")
    try:
        value = decoder.read(body, effort)
        return Decoded(decoder, value.value, note=value.how) if isinstance(value, Told) else Decoded(decoder, value)
    except TooCostly:
        raise
    except Refused as refused:
        return Decoded(None, note=f"It does not read as {decoder.label}. {refused}")
    except RecursionError:
        return Decoded(None, note=f"It does not read as {decoder.label}: it is nested too deep.")
    except Exception:  # a library's own, whatever it makes of what a stranger sent
        return Decoded(None, note=f"It does not read as {decoder.label}.")
