"""Schemas over a wire, on both databases: what comes in comes out, to the byte."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator

import msgspec
import pytest

from brokerweb.faces.rest import schema_shapes
from tests.clients import Rest
from tests.decoding.test_by_schema import COMMON, SHOP, descriptors
from tests.decoding.test_decoders import SCHEMA
from tests.faces.test_rest_queues import refusal
from tests.server import Server


@pytest.fixture(params=["server", "node"])
def root(request: pytest.FixtureRequest) -> Iterator[Rest]:
    server: Server = request.getfixturevalue(request.param)
    with server.rest() as client:
        yield client


def test_schemas_are_declared_read_and_deleted(root: Rest, name: str) -> None:
    avro = {"kind": "avro", "pattern": "queue:orders.*", "source": json.dumps(SCHEMA, ensure_ascii=False) + " "}
    set64 = b64encode(descriptors(COMMON, SHOP)).decode()
    proto = {"kind": "protobuf", "pattern": "*", "source_base64": set64, "message": "shop.Order", "content_type": "x/y"}
    for suffix, asked in (("a", avro), ("b", proto)):
        made = root.call("PUT", f"/schemas/{name}.{suffix}", asked)
        whole = root.call("GET", f"/schemas/{name}.{suffix}")
        assert msgspec.convert(whole, schema_shapes.WholeSchema)
        assert {field: whole[field] for field in asked} == asked
        assert {**made, **asked} == whole
    listed = msgspec.convert(root.call("GET", "/schemas"), schema_shapes.SchemaList).items
    assert [each.name for each in listed if each.name.startswith(name)] == [f"{name}.a", f"{name}.b"]
    assert root.call("PUT", f"/schemas/{name}.a", proto)["message"] == "shop.Order"
    for suffix in "ab":
        root.call("DELETE", f"/schemas/{name}.{suffix}")
    assert refusal(root, "GET", f"/schemas/{name}.a").status == 404
    assert [entry["action"] for entry in root.call("GET", "/audit", None, target=f"schema:{name}.a")["items"]] == [
        "schema.delete", "schema.declare", "schema.declare",
    ]  # fmt: skip


def test_a_schema_of_half_a_text_or_of_nothing_is_refused(root: Rest, name: str) -> None:
    for asked in ('"source":null', '"source":"\\ud800"', '"source":"int","source_base64":"aGk="'):
        answer = root.http.put(f"/schemas/{name}", content=f'{{"kind":"avro","pattern":"*",{asked}}}')
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), asked
