"""What bodies are read as: like the formats' own libraries do, and within bounds whatever a stranger sends."""

from __future__ import annotations

import base64
import json
from contextlib import suppress
from io import BytesIO
from typing import Any

import cbor2
import fastavro
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brokerweb.decoding import avro, cbor, decoders, messagepack, wire
from brokerweb.decoding.decoders import decode
from brokerweb.decoding.images import image
from brokerweb.decoding.values import LONGEST_DECODED, Members, Number, Other, Refused

NUMBERS = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


def plain(value: Any) -> Any:
    """As the libraries have it."""
    if isinstance(value, Members):
        return {name: plain(each) for name, each in value}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, Number):
        return float(value) if any(sign in value for sign in ".einf") else int(value)
    return value


@given(VALUES)
def test_messagepack_is_read_as_it_is_written(value):
    assert plain(messagepack.read(msgspec.msgpack.encode(value))) == value


@given(VALUES)
def test_cbor_is_read_as_it_is_written(value):
    assert plain(cbor.read(cbor2.dumps(value))) == value
    assert plain(cbor.read(cbor2.dumps(value, canonical=True))) == value


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused_in_words(body):
    for read in (messagepack.read, cbor.read, wire.read):
        with suppress(Refused):
            read(body)
    for decoder in decoders.DECODERS:
        decode(body, "application/octet-stream", decoder.name)
    decode(body, "application/octet-stream")
    decode(avro.MAGIC + body, "")


@pytest.mark.parametrize(
    ("read", "body", "why"),
    [
        (messagepack.read, b"\xdd\xff\xff\xff\xff", "midst"),
        (messagepack.read, b"\x91" * 5_000, "nested"),
        (messagepack.read, b"\xdb\xff\xff\xff\xffabc", "midst"),
        (messagepack.read, b"\xc1", "no use"),
        (messagepack.read, b"\x01\x02", "follows"),
        (cbor.read, b"\x9b\x00\x00\x00\xff\xff\xff\xff\xff", "midst"),
        (cbor.read, b"\x9f" * 5_000, "nested"),
        (cbor.read, b"\xc1" * 5_000, "nested"),
        (cbor.read, b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff", "midst"),
        (cbor.read, b"\x9f" + b"\x00" * 150_000 + b"\xff", "values"),
        (cbor.read, b"\xff", "not begun"),
        (cbor.read, b"\x5f\x61a\xff", "another kind"),
        (wire.read, b"\x0a\xff\xff\xff\xff\x0f", "midst"),
        (wire.read, b"\x08" + b"\xff" * 12, "too long"),
        (wire.read, b"\x00\x01", "without a number"),
        (wire.read, b"\x0b", "not read"),
    ],
)
def test_what_a_few_bytes_promise_is_not_believed(read, body, why):
    with pytest.raises(Refused, match=why):
        read(body)


def test_tags_of_cbor_are_told_and_not_obeyed():
    assert cbor.read(bytes.fromhex("c11a514b67b0")) == Members([("tag 1", Number(1363896240))])
    assert cbor.read(bytes.fromhex("c249010000000000000000")) == Number(2**64)
    assert cbor.read(bytes.fromhex("c349010000000000000000")) == Number(-1 - 2**64)
    assert cbor.read(bytes.fromhex("d9d9f701")) == Number(1)
    shared = b"\xd8\x1c\x82" + b"\xd8\x1d\x00" * 2  # a list that contains itself twice
    assert "tag 28" in str(cbor.read(shared))


def test_numbers_and_members_that_come_twice_stay():
    found = decode(b'{"n":12345678901234567890.10,"n":1e400}', "application/json").value
    assert found == Members([("n", Number("12345678901234567890.10")), ("n", Number("1e400"))])
    assert messagepack.read(b"\x82\xa1a\x01\xa1a\x02") == Members([("a", Number(1)), ("a", Number(2))])


def test_protobuf_without_a_schema_is_fields_by_number():
    body = b"\x08\x96\x01" + b"\x12\x07testing" + b"\x1a\x03\x08\x96\x01" + b"\x25\x01\x00\x00\x00" + b"\x32\x02\xff\xfe"
    assert wire.read(body) == Members(
        [
            ("1", Number(150)),
            ("2", "testing"),
            ("3", Members([("1", Number(150))])),
            ("4", Number(1)),
            ("6", Other("bytes ff fe")),
        ]
    )


# Avro

LINE = {"type": "record", "name": "line", "fields": [{"name": "sku", "type": "string"}]}
SCHEMA = {
    "type": "record", "name": "order", "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"}, {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "lines", "type": {"type": "array", "items": LINE}},
        {"name": "more", "type": ["null", "line"]},
    ],
}  # fmt: skip
ROW = {"id": 2**40, "at": 5, "lines": [{"sku": "a"}, {"sku": "b"}], "more": None}


def file_of(schema: Any, rows: list[Any], codec: str = "null") -> bytes:
    made = BytesIO()
    fastavro.writer(made, schema, rows, codec=codec)
    return made.getvalue()


def test_a_file_of_avro_is_read_by_the_schema_it_carries():
    found = decode(file_of(SCHEMA, [ROW] * 3), "application/octet-stream")
    assert (found.decoder, plain(found.value)) == (decoders.BY_NAME["avro"], [ROW] * 3)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "record", "name": "r", "fields": [{"name": "a", "type": "unknown"}]}, "does not define"),
        ({"type": "fixed", "name": "f", "namespace": "n" * 500, "size": 1}, "longer than 500"),
        ({"type": "fixed", "name": "f", "size": -1}, "below nothing"),
        (json.loads('{"type":"array","items":' * 900 + '"int"' + "}" * 900), "too"),
        ([{"type": "map", "values": "int"}] * 3_000, "too large"),
        ({"fields": 1}, "cannot be read"),
    ],
)
def test_what_is_no_schema_or_a_large_one_is_refused(schema, why):
    with pytest.raises(Refused, match=why):
        avro.checked(json.dumps(schema))


def test_a_file_of_what_takes_no_byte_has_so_many_rows_as_are_read():
    found = decode(file_of("null", [None] * 3_000), "application/avro").value
    assert found == [None] * avro.MOST_ROWS


def test_the_values_of_a_file_are_counted_over_all_of_its_blocks():
    schema = {"type": "array", "items": "null"}
    made = BytesIO()
    fastavro.writer(made, schema, [[None] * 40_000] * 3, sync_interval=1)  # a block each
    assert made.getvalue().count(made.getvalue()[-16:]) == 4
    with pytest.raises(Refused, match="more than 100,000 values"):
        avro.read_file(made.getvalue())


def test_compressed_files_and_single_records_are_said_to_be_that():
    assert "compressed" in decode(file_of(SCHEMA, [ROW], "deflate"), "application/avro").note
    assert "with its schema" in decode(b"\x02", "application/avro").note


# Which it is


@pytest.mark.parametrize(
    ("body", "kind", "asked", "name", "guessed"),
    [
        (b'{"a":1}', "application/json", "", "json", False),
        (b'{"a":1}', "text/plain", "", "json", False),
        (b'{"a":1}', "application/cloudevents+json; charset=utf-8", "", "json", False),
        (b"\x81\xa1a\x01", "application/octet-stream", "", "msgpack", True),
        (b"\x81\xa1a\x01", "application/msgpack", "", "msgpack", False),
        (b"\xa1\x61a\x01", "application/octet-stream", "", "cbor", True),
        (b"\x08\x01", "application/x-protobuf", "", "protobuf", False),
        (b"\x08\x01", "application/octet-stream", "", None, False),
        (b"\x08\x01", "application/octet-stream", "protobuf", "protobuf", False),
        (b'{"a":1}', "application/json", "cbor", None, False),
        (b"plain text", "text/plain", "", None, False),
        (b"\x81\xa1a\x01", "application/zip", "", None, False),
        (b"", "application/json", "", None, False),
    ],
)
def test_it_is_read_as_is_asked_else_as_its_type_says_else_as_it_looks(body, kind, asked, name, guessed):
    found = decode(body, kind, asked)
    assert (found.decoder and found.decoder.name, found.guessed) == (name, guessed)


def test_what_is_not_installed_or_too_long_is_said(monkeypatch):
    monkeypatch.setattr(decoders, "find_spec", lambda name: None)
    assert "brokerweb[decoders]" in decode(file_of(SCHEMA, [ROW]), "application/avro").note
    assert decode(b"[" + b" " * LONGEST_DECODED + b"]", "application/json").note


@pytest.mark.parametrize(
    ("encoded", "said"),
    [
        ("iVBORw0KGgoAAAANSUhEUgAAAAEAAAACCAYAAAC", "PNG image, 1 × 2 pixels"),
        ("R0lGODlhAwAEAIAAAP", "GIF image, 3 × 4 pixels"),
        ("/9j/4AAQSkZJRgABAQEASABIAAD/wAARCAACAAEDASIAAhEBAxEB", "JPEG image, 1 × 2 pixels"),
        ("/9j/", "JPEG image"),
        ("iVBORw0KGgo", "PNG image"),
    ],
)
def test_an_image_is_told_by_its_first_bytes(encoded, said):
    body = base64.b64decode(encoded + "=" * (-len(encoded) % 4))
    assert str(image(body, "application/octet-stream") or image(body, "image/png")) == said
    assert image(b"<svg onload=alert(1)>", "text/plain") is None
