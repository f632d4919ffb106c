"""Bodies by the schemas that somebody gave: as the formats' libraries write them, and within bounds whatever a stranger sends."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal
from functools import cache
from io import BytesIO
from typing import Any

import cbor2
import fastavro
import msgspec
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.decoding import avro, cbor, decoders, messagepack, protobuf, wire
from brokerweb.decoding.decoders import Decoder, Schema, decode
from brokerweb.decoding.effort import MOST_STEPS, Effort
from brokerweb.decoding.values import LONGEST_DECODED, Members, Number, Other, Refused
from tests.decoding.test_decoders import ROW, SCHEMA, file_of, plain

# Avro


def encoded(schema: Any, value: Any) -> bytes:
    made = BytesIO()
    fastavro.schemaless_writer(made, fastavro.parse_schema(schema), value)
    return made.getvalue()


def record(schema: Any, body: bytes) -> Any:
    return avro.read_record(body, *avro.ready(json.dumps(schema))).value


EVERY: Any = {
    "type": "record", "name": "every", "namespace": "shop",
    "fields": [
        {"name": "nothing", "type": "null"}, {"name": "yes", "type": "boolean"}, {"name": "int", "type": "int"},
        {"name": "long", "type": "long"}, {"name": "float", "type": "float"}, {"name": "double", "type": "double"},
        {"name": "text", "type": "string"}, {"name": "map", "type": {"type": "map", "values": "long"}},
        {"name": "kind", "type": {"type": "enum", "name": "kind", "symbols": ["A", "B"]}},
        {"name": "again", "type": "kind"}, {"name": "list", "type": {"type": "array", "items": ["null", "string", "every"]}},
    ],
}  # fmt: skip
LONG = st.integers(-(2**63), 2**63 - 1)
ANY = st.fixed_dictionaries(
    {
        "nothing": st.none(), "yes": st.booleans(), "int": st.integers(-(2**31), 2**31 - 1), "long": LONG,
        "float": st.floats(width=32, allow_nan=False), "double": st.floats(allow_nan=False), "text": st.text(),
        "map": st.dictionaries(st.text(), LONG, max_size=3), "kind": st.sampled_from("AB"), "again": st.sampled_from("AB"),
    }
)  # fmt: skip
WHOLE: st.SearchStrategy[dict[str, Any]] = st.recursive(
    ANY.map(lambda some: {**some, "list": []}),
    lambda inner: st.tuples(ANY, st.lists(st.none() | st.text() | inner, max_size=3)).map(lambda two: {**two[0], "list": two[1]}),
    max_leaves=4,
)


@given(WHOLE)
def test_a_record_is_read_as_it_is_written(value):
    assert plain(record(EVERY, encoded(EVERY, value))) == value


def test_bytes_are_bytes_and_logical_types_stay_as_they_are_stored():
    price = {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}
    fields = [{"name": "price", "type": price}, {"name": "id", "type": {"type": "fixed", "name": "id", "size": 2}}]
    schema = {"type": "record", "name": "r", "fields": fields}
    body = encoded(schema, {"price": Decimal("1.23"), "id": b"\xff\x00"})
    assert record(schema, body) == Members([("price", Other("bytes 7b")), ("id", Other("bytes ff 00"))])


def test_what_stands_before_a_record_says_whose_it_is():
    body = encoded(SCHEMA, ROW)
    made, fingerprint = avro.ready(json.dumps(SCHEMA))
    canonical = fastavro.schema.to_parsing_canonical_form(SCHEMA)
    assert fingerprint.hex() == fastavro.schema.fingerprint(canonical, "CRC-64-AVRO")
    single = avro.read_record(b"\xc3\x01" + fingerprint + body, made, fingerprint)
    assert (plain(single.value), single.how) == (ROW, "with the schema's fingerprint before it")
    registered = avro.read_record(b"\0\0\0\1\2" + body, made, fingerprint)
    assert (plain(registered.value), registered.how) == (ROW, "with a registry's id before it, 258")
    with pytest.raises(Refused, match="another schema, whose fingerprint is 0102030405060708"):
        avro.read_record(b"\xc3\x01\1\2\3\4\5\6\7\x08" + body, made, fingerprint)


def test_a_fingerprint_is_that_of_avros_own_specification():
    assert avro.ready('"int"')[1] == bytes.fromhex("8f5c393f1ad57572")  # of the specification's examples, the least byte first


@pytest.mark.parametrize("body", [b"\xc3\x01", b"\x00\x00\x00\x00\x00\x00"])
def test_a_bare_record_may_begin_like_a_head(body):
    fields = [{"name": f"n{n}", "type": "long"} for n in range(1 if body[0] else 6)]
    found = record({"type": "record", "name": "r", "fields": fields}, body)
    assert plain(found) == ({"n0": -98} if body[0] else {f"n{n}": 0 for n in range(6)})


def test_a_record_that_ends_too_early_or_too_late_is_none():
    body = encoded(EVERY["fields"][7]["type"], {"a": 2**40, "b": 1})
    schema = json.dumps(EVERY["fields"][7]["type"])
    for cut in range(len(body)):
        with pytest.raises(Refused):
            avro.read_record(body[:cut], *avro.ready(schema))
    with pytest.raises(Refused, match="follows"):
        avro.read_record(body + b"\0", *avro.ready(schema))


NODE = {"type": "record", "name": "node", "fields": [{"name": "next", "type": ["null", "node"]}]}
ITSELF = {"type": "record", "name": "node", "fields": [{"name": "next", "type": "node"}]}


def doubling(levels: int) -> Any:
    """Records of two each, down to what takes no byte."""
    made: Any = {"type": "record", "name": "r0", "fields": []}
    for n in range(levels):
        fields = [{"name": "a", "type": made}, {"name": "b", "type": f"r{n}"}]
        made = {"type": "record", "name": f"r{n + 1}", "fields": fields}
    return made


@pytest.mark.parametrize(
    ("schema", "body", "why"),
    [
        ({"type": "array", "items": "null"}, b"\xff" * 8 + b"\x7f\x00", "values"),
        ({"type": "array", "items": "int"}, b"\xfe\xff\xff\xff\x0f\x02", "midst"),
        ({"type": "map", "values": "null"}, b"\x02\x01", "below nothing"),
        ({"type": "array", "items": "int"}, b"\x01\x01\x02\x00", "below nothing"),
        ("string", b"\xfe\xff\xff\xff\x0fabc", "midst"),
        ("string", b"\x09abc", "below nothing"),
        ("string", b"\x02\xff", "no UTF-8"),
        ("bytes", b"\xff" * 12, "too long"),
        ("boolean", b"\x02", "neither"),
        ("int", b"\x80\x80\x80\x80\x10", "32 bits"),
        (["null", "int"], b"\x04", "choice"),
        ({"type": "enum", "name": "e", "symbols": ["A"]}, b"\x01", "choice"),
        (NODE, b"\x02" * 200 + b"\x00", "nested"),
        (ITSELF, b"", "nested"),
        (doubling(40), b"", "values"),
    ],
)
def test_what_a_body_promises_is_not_believed(schema, body, why):
    with pytest.raises(Refused, match=why):
        record(schema, body)


def test_a_type_within_itself_is_followed():
    value: Any = {"next": None}
    for _ in range(40):
        value = {"next": value}
    assert plain(record(NODE, encoded(NODE, value))) == value


@given(st.binary(max_size=200))
def test_whatever_comes_is_read_or_refused(body):
    for read in (lambda: record(EVERY, body), lambda: protobuf.read(body, shop())):
        with suppress(Refused):
            read()


# Protobuf

TYPES = (
    "double", "float", "int64", "uint64", "int32", "fixed64", "fixed32", "bool", "string", "bytes", "uint32", "sfixed32",
    "sfixed64", "sint32", "sint64",
)  # fmt: skip
FIELD = 'field {{ name: "{name}" number: {number} type: TYPE_{type} label: LABEL_{label} {more} }}'


def field(name: str, number: int, type: str, label: str = "OPTIONAL", more: str = "") -> str:
    return FIELD.format(name=name, number=number, type=type.upper(), label=label, more=more)


COMMON = 'name: "common.proto" package: "common" message_type { name: "Money" ' + field("units", 1, "int64") + "}"
ORDER = "\n".join(
    [
        *(field(f"a_{type}", n, type) for n, type in enumerate(TYPES, 1)),
        *(field(f"many_{type}", n, type, "REPEATED") for n, type in enumerate(TYPES, 21)),
        field("state", 41, "enum", more='type_name: ".shop.State"'),
        field("price", 42, "message", more='type_name: ".common.Money"'),
        field("within", 43, "message", "REPEATED", 'type_name: ".shop.Order"'),
        field("counts", 44, "message", "REPEATED", 'type_name: ".shop.Order.CountsEntry"'),
        field("card", 45, "string", more="oneof_index: 0"),
        field("cash", 46, "bool", more="oneof_index: 0"),
        field("moneys", 47, "message", "REPEATED", 'type_name: ".shop.Order.MoneysEntry"'),
        'oneof_decl { name: "paid" }',
        'nested_type { name: "CountsEntry" options { map_entry: true }',
        field("key", 1, "string") + field("value", 2, "int32") + "}",
        'nested_type { name: "MoneysEntry" options { map_entry: true }' + field("key", 1, "int64"),
        field("value", 2, "message", more='type_name: ".common.Money"') + "}",
    ]
)
SHOP = (
    'name: "shop.proto" package: "shop" syntax: "proto3" dependency: "common.proto"'
    ' enum_type { name: "State" value { name: "NEW" number: 0 } value { name: "SENT" number: 3 } }'
    f' message_type {{ name: "Order" {ORDER} }}'
)


def descriptors(*files: str) -> bytes:
    made = descriptor_pb2.FileDescriptorSet()
    for file in files:
        text_format.Parse(file, made.file.add())
    return bytes(made.SerializeToString())


@cache
def shop() -> protobuf.Message:
    return protobuf.checked(descriptors(COMMON, SHOP), "shop.Order")


@cache
def order() -> Any:
    """The library's own class."""
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptors(COMMON, SHOP)).file:
        pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Order"))


INTS = {"int64": (64, 1), "uint64": (64, 0), "int32": (32, 1), "fixed64": (64, 0), "fixed32": (32, 0)}
INTS |= {"uint32": (32, 0), "sfixed32": (32, 1), "sfixed64": (64, 1), "sint32": (32, 1), "sint64": (64, 1)}
OF_TYPE: dict[str, st.SearchStrategy[Any]] = {
    name: st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else st.integers(0, 2**bits - 1)
    for name, (bits, signed) in INTS.items()
}
OF_TYPE |= {"double": st.floats(allow_nan=False), "float": st.floats(width=32, allow_nan=False), "bool": st.booleans()}
OF_TYPE |= {"string": st.text(), "bytes": st.binary()}
FIELDS = {f"a_{type}": values for type, values in OF_TYPE.items()}
FIELDS |= {f"many_{type}": st.lists(values, max_size=3) for type, values in OF_TYPE.items()}


def as_told(value: Any) -> Any:
    if isinstance(value, bytes):
        return Other(f"bytes {value.hex(' ')}")
    if isinstance(value, list):
        return [as_told(each) for each in value]
    return value


@given(st.fixed_dictionaries({}, optional=FIELDS))
def test_a_message_is_read_as_it_is_written(values):
    made = order()(**values)
    sent = {known.name for known, _ in made.ListFields()}
    found = plain(protobuf.read(made.SerializeToString(), shop()).value)
    assert found == {name: as_told(value) for name, value in values.items() if name in sent}


def test_enums_maps_oneofs_and_what_is_within_have_their_names():
    made = order()(state=3, cash=True, counts={"a": 1, "b": 0}, within=[{"a_int64": 2**62}, {}], price={"units": -1})
    made.moneys[-5].units = 7
    found = dict(protobuf.read(made.SerializeToString(deterministic=True), shop()).value)
    assert (found["state"], found["cash"]) == (Other("SENT"), True)
    assert sorted(found["counts"]) == [("a", Number(1)), ("b", Number(0))]
    assert found["within"] == [Members([("a_int64", Number(2**62))]), Members()]
    assert found["price"] == Members([("units", Number(-1))])
    assert found["moneys"] == Members([("-5", Members([("units", Number(7))]))])


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\xc8\x02\x09", [("state", Number(9))]),  # which the enum does not have
        (b"\xf8\x3f\x05\x28\x01", [("1023", Number(5)), ("a_int32", Number(1))]),
        (b"\x28\x01\x28\x02", [("a_int32", Number(1)), ("a_int32", Number(2))]),
        (b"\xe2\x02\x00", [("counts", Members([("", Number(0))]))]),
        (b"\xc8\x01\x05\xca\x01\x01\x06", [("many_int32", [Number(5), Number(6)])]),  # one by one, and in one piece
        (b"\0\0\0\0\7\0\x28\x01", [("a_int32", Number(1))]),
        (b"\0\0\0\0\7\2\4\x28\x01", [("a_int32", Number(1))]),
        (b"", []),
    ],
)
def test_what_was_sent_is_told_in_its_order(body, told):
    found = protobuf.read(body, shop())
    assert found.value == Members(told)
    assert found.how == ("with a registry's id before it, 7" if body[:1] == b"\0" else "")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"\x2a\x01a", "a_int32 is not written"),
        (b"\x4a\x01\xff", "a_string is no text"),
        (b"\x28", "midst"),
        (b"\x4a\xff\xff\xff\xff\x0f", "midst"),
        (b"\x28" + b"\xff" * 12, "too long"),
        (b"\xca\x01\xf0\x93\x09" + b"\0" * 150_000, "too costly"),
        (b"\0\1", "head"),
        (b"\x2b\x2c", "a_int32 is not written"),
    ],
)
def test_a_message_that_does_not_fit_is_refused_in_words(body, why):
    with pytest.raises(Refused, match=why):
        protobuf.read(body, shop())


def test_messages_are_followed_so_deep_and_not_deeper():
    def nested(levels: int) -> bytes:
        body = b""
        for _ in range(levels):
            made = order()()
            made.ParseFromString(b"")
            body = b"\xda\x02" + _length(len(body)) + body
        return body

    assert protobuf.read(nested(60), shop()).value
    with pytest.raises(Refused, match="nested"):
        protobuf.read(nested(200), shop())


def _length(size: int) -> bytes:
    return bytes([size]) if size < 128 else bytes([size & 127 | 128]) + _length(size >> 7)


def test_extensions_have_their_names():
    base = 'name: "b.proto" package: "b" message_type { name: "M" extension_range { start: 100 end: 200 } }'
    more = (
        'name: "x.proto" package: "x" dependency: "b.proto"'
        ' extension { name: "note" number: 100 type: TYPE_STRING label: LABEL_OPTIONAL extendee: ".b.M" }'
    )
    known = protobuf.checked(descriptors(base, more), "b.M")
    assert protobuf.read(b"\xa2\x06\x02hi", known).value == Members([("[x.note]", "hi")])


GONE = 'name: "a" message_type { name: "M" field { name: "x" number: 1 type_name: ".gone" } }'
LARGE = 'name: "a" message_type { name: "M" ' + 'field { name: "x" } ' * 50_001 + "}"
WORDS = 'name: "a" message_type { name: "M" enum_type { name: "E" ' + 'value { name: "x" } ' * 50_001 + "} }"
NESTED = 'name: "a" ' + 'message_type { name: "MMMMMMMMMMMM" ' + 'nested_type { name: "MMMMMMMMMMMM" ' * 40 + "}" * 41
EMPTY = 'name: "{0}" message_type {{ name: "M{1}" }} dependency: "{2}"'


@pytest.mark.parametrize(
    ("source", "why"),
    [
        (descriptors(SHOP), "lacks common.proto, which shop.proto imports"),
        (descriptors(EMPTY.format("a", 1, "b"), EMPTY.format("b", 2, "a")), "imports what imports it"),
        (b'syntax = "proto3"; message Order {}', "no descriptor set"),
        (b"", "no descriptor set"),
        (descriptors(COMMON, SHOP)[:-3], "no descriptor set"),
        (b"\x0a\x00" * 600, "more than 500 files"),
        (descriptors(GONE), "does not hold together"),
        (descriptors('name: "a" message_type { name: "M" }', 'name: "b" message_type { name: "M" }'), "does not hold together"),
        (descriptors(LARGE), "more than 50,000"),
        (descriptors(WORDS), "more than 50,000"),
        (descriptors(f'name: "a" package: "{"p" * 501}"'), "package"),
        (descriptors(f'name: "a" package: "p" message_type {{ name: "{"M" * 499}" }}'), "longer than 500"),
        (descriptors(NESTED), "longer than 500"),
    ],
)
def test_descriptors_that_do_not_hold_together_are_refused(source, why):
    with pytest.raises(Refused, match=why):
        protobuf.checked(source, "shop.Order")


def test_words_of_an_enum_are_there_once_however_many_fields_have_them():
    fields = "".join(field(f"s{n}", n, "enum", more='type_name: ".E"') for n in range(1, 9))
    enum = 'enum_type { name: "E" value { name: "A" number: 0 } value { name: "B" number: 1 } }'
    known = protobuf.checked(descriptors(f'name: "a" {enum} message_type {{ name: "M" {fields} }}'), "M")
    assert len({id(each.words) for each in known.fields.values()}) == 1


def test_what_bodies_do_not_need_of_descriptors_is_left_out():
    method = 'method { name: "m" input_type: ".gone" output_type: ".gone" }'
    file = f'name: "a" message_type {{ name: "M" }} service {{ name: "S" {method} }}'
    assert protobuf.checked(descriptors(file), "M").fields == {}


def test_a_message_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(protobuf.NoSuchMessage, match=r"no message 'Order', but shop\.Order, common\.Money"):
        protobuf.checked(descriptors(COMMON, SHOP), "Order")


def test_files_may_come_in_any_order_and_none_comes_into_the_processs_pool():
    assert protobuf.checked(descriptors(SHOP, COMMON), "shop.Order").fields
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("shop.Order")


# Which of them


def schema(name: str, format: str, of: Any, content_type: str | None = None) -> Schema:
    if format == "avro":
        known = avro.ready(json.dumps(of))
        read = lambda body, effort: avro.read_record(body, *known, effort)
    else:
        read = lambda body, effort: protobuf.read(body, shop(), effort)
    return Schema(Decoder(f"schema:{name}", f"Avro by the schema {name}", (), read, "fastavro"), format, content_type)


PLAIN, ROWS = schema("text", "avro", "string"), schema("rows", "avro", SCHEMA)
OWN, PROTO = schema("own", "avro", "string", "Text/Own; v=1"), schema("proto", "protobuf", None)
A_TEXT, A_ROW = b"\x04hi", encoded(SCHEMA, ROW)


@pytest.mark.parametrize(
    ("body", "kind", "asked", "schemas", "name"),
    [
        (A_TEXT, "application/octet-stream", "", [PLAIN], "schema:text"),
        (A_ROW, "", "", [PLAIN, ROWS], "schema:rows"),
        (A_ROW, "avro/binary", "", [PROTO, ROWS], "schema:rows"),
        (A_TEXT, "application/json", "", [PLAIN], None),
        (A_TEXT, "text/own", "", [OWN], "schema:own"),
        (A_TEXT, "text/other", "", [OWN], None),
        (A_TEXT, "text/other", "schema:own", [PLAIN, OWN], "schema:own"),
        (A_TEXT, "text/own", "schema:other", [PLAIN, OWN], None),
        (A_TEXT, "", "protobuf", [PLAIN], None),
        (b"\x28\x01", "application/x-protobuf", "", [PLAIN, PROTO], "schema:proto"),
        (b"\x28\x01", "application/x-protobuf", "protobuf", [PROTO], "protobuf"),
        (file_of(SCHEMA, [ROW]), "", "", [PLAIN, ROWS], "avro"),
    ],
)
def test_a_body_is_read_by_the_first_that_holds_and_fits(
    body: bytes, kind: str, asked: str, schemas: Sequence[Schema], name: str | None
):
    found = decode(body, kind, asked, schemas)
    assert (found.decoder and found.decoder.name) == name
    assert found.misfit == ""


def test_a_body_that_fits_none_is_read_as_without_them_and_it_is_said_why(monkeypatch):
    packed = b"\x81\xa1a\x01"
    found = decode(packed, "", "", [ROWS, PLAIN])
    assert (found.decoder, found.value) == (decoders.BY_NAME["msgpack"], Members([("a", Number(1))]))
    assert found.misfit.startswith("It does not read as Avro by the schema rows.")
    tried: list[bytes] = []

    def refuse(body: bytes, effort: Effort) -> Any:
        tried.append(body)
        raise Refused("No.")

    none = Decoder("schema:none", "none", (), refuse)
    decode(packed, "", "", [Schema(none, "avro")] * 9)
    assert len(tried) == decoders.MOST_TRIED
    monkeypatch.setattr(decoders, "find_spec", lambda name: None)
    assert "brokerweb[decoders]" in decode(A_TEXT, "", "", [PLAIN]).misfit


# What it may cost


def longs(number: int) -> bytes:
    """So many of two bytes in an array of Avro's that is read to its end, behind which something follows: it fits no schema."""
    return encoded({"type": "array", "items": "long"}, [64] * number) + b"\x00"


def packed(number: int) -> bytes:
    """The same of a list of Protobuf's in one piece, and behind it a field that is cut off."""
    return bytes(order()(many_int64=[1] * number).SerializeToString()) + b"\xa0"


@pytest.mark.parametrize(
    "body", [longs(80_000), packed(80_000), b"\xa0\x06\x01" * 82_000 + b"\xa0"], ids=["avro", "protobuf", "unknown fields"]
)
def test_a_body_that_fits_no_schema_costs_no_more_than_one_that_fits(monkeypatch: pytest.MonkeyPatch, body: bytes):
    """Each schema alone may read all of it: five of them, and what it may be without one, take no more together."""
    spent: list[Effort] = []

    def begun() -> Effort:
        spent.append(Effort())
        return spent[-1]

    monkeypatch.setattr(decoders, "Effort", begun)
    numbers = schema("numbers", "avro", {"type": "array", "items": "long"})
    hostile = [numbers, PROTO, numbers, PROTO, numbers]
    assert len(body) <= LONGEST_DECODED
    found = decode(body, "", "", hostile)
    assert (found.decoder, "too costly to decode" in found.note) == (None, True)
    [effort] = spent
    assert -wire.STEPS <= effort.left < 0


def test_all_readers_count_what_they_take():
    body = cbor2.dumps(list(range(1_000)))
    readers = {
        cbor.read: body,
        messagepack.read: msgspec.msgpack.encode(list(range(1_000))),
        wire.read: b"\x08\x01" * 1_000,
        avro.read_file: file_of({"type": "array", "items": "long"}, [list(range(1_000))]),
    }
    for read, written in readers.items():
        effort = Effort()
        read(written, effort)
        assert MOST_STEPS - effort.left >= 2_000, read
    assert decode(body, "", "", ()).decoder is not None
