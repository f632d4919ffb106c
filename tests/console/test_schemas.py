"""Schemas on their pages and by REST: brought in, changed, removed, refused; and bodies that are shown by them."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from brokerweb import schemas
from brokerweb.console.schemas.forms import SchemaForm
from brokerweb.core.errors import NotFound
from brokerweb.decoding import decoders
from brokerweb.identity import masks
from brokerweb.identity.audit import Entry
from brokerweb.identity.models import AuditEntry, Schema
from brokerweb.identity.principal import broker_itself
from tests.console.conftest import (
    HOSTILE,
    append,
    declare,
    declare_group,
    declare_stream,
    kill_records,
    person,
    publish,
    text,
)
from tests.console.test_security import assert_nothing_runs
from tests.decoding.test_by_schema import COMMON, SHOP, descriptors, encoded

pytestmark = pytest.mark.usefixtures("database")

LINE = {"type": "record", "name": "line", "fields": [{"name": "sku", "type": "string"}, {"name": "cents", "type": "long"}]}
BODY = encoded(LINE, {"sku": "A-7", "cents": 2**60})
FILE = descriptors(COMMON, SHOP)
ORDER = b"\x28\x05\x4a\x04ring"  # a_int32 and a_string
AVRO: dict[str, Any] = {"kind": "avro", "pattern": "queue:ord*", "source": json.dumps(LINE)}
PROTOBUF = {"kind": "protobuf", "pattern": "events", "source_base64": b64encode(FILE).decode(), "message": "shop.Order"}


def put(browser: Client, name: str, asked: dict[str, Any]) -> Any:
    return browser.put(f"/api/v1/schemas/{name}", json.dumps(asked), content_type="application/json")


# By REST


def test_a_schema_is_declared_read_changed_and_deleted(client):
    assert client.get("/api/v1/schemas").json() == {"items": [], "next": None}
    made = put(client, "lines", AVRO)
    assert (made.status_code, made.json()["pattern"], made.json()["created_by"]) == (201, "queue:ord*", "admin")
    assert "source" not in made.json()
    whole = client.get("/api/v1/schemas/lines").json()
    assert whole == made.json() | {"source": AVRO["source"]}
    assert put(client, "lines", AVRO).status_code == 200
    changed = put(client, "lines", AVRO | {"pattern": "ord**", "content_type": "text/own"})
    assert (changed.status_code, changed.json()["pattern"], changed.json()["content_type"]) == (200, "ord*", "text/own")
    assert put(client, "orders", PROTOBUF).status_code == 201
    listed = client.get("/api/v1/schemas").json()["items"]
    assert [(each["name"], each["message"], each["size"]) for each in listed] == [
        ("lines", None, len(AVRO["source"])),
        ("orders", "shop.Order", len(FILE)),
    ]
    assert b64decode(client.get("/api/v1/schemas/orders").json()["source_base64"]) == FILE
    assert client.delete("/api/v1/schemas/lines").status_code == 204
    assert client.delete("/api/v1/schemas/lines").json()["code"] == "not_found"
    told = list(AuditEntry.objects.order_by("id").values_list("action", "target"))
    assert told == [
        *[("schema.declare", "schema:lines")] * 2,
        ("schema.declare", "schema:orders"),
        ("schema.delete", "schema:lines"),
    ]
    detail = AuditEntry.objects.order_by("id")[1].detail
    assert (detail["before"]["pattern"], detail["after"]["pattern"]) == ("queue:ord*", "ord*")
    assert "source" not in detail["after"]


def test_what_was_listed_may_be_declared_again(client):
    put(client, "lines", AVRO)
    put(client, "orders", PROTOBUF)
    before = schemas.listed()
    documents = [schema.as_json() for schema in before]
    Schema.objects.all().delete()
    for document in json.loads(json.dumps(documents)):
        assert put(client, document.pop("name"), document).status_code == 201
    assert schemas.listed() == before


@pytest.mark.parametrize(
    ("asked", "pointer"),
    [
        ({"kind": "thrift"}, "/kind"),
        ({"pattern": "a b"}, "/pattern"),
        ({"pattern": "topic:a"}, "/pattern"),
        ({"pattern": "group:a"}, "/pattern"),
        ({"content_type": "a\nb"}, "/content_type"),
        ({"message": "shop.Order"}, "/message"),
        ({"source": "{"}, "/source"),
        ({"source": '"unknown"'}, "/source"),
        ({"source": "[" * 5_000}, "/source"),
        ({"source": json.dumps(["int"] * 3_000)}, "/source"),
        ({"source": "1" * (schemas.MOST_BYTES + 1)}, "/source"),
        ({"source": ""}, "/source"),
        ({"source_base64": "aGk="}, "/source"),
        (PROTOBUF | {"message": None}, "/message"),
        (PROTOBUF | {"message": "Order"}, "/message"),
        (PROTOBUF | {"message": "a\0"}, "/message"),
        (PROTOBUF | {"source_base64": b64encode(descriptors(SHOP)).decode()}, "/source"),
        (PROTOBUF | {"source_base64": b64encode(FILE[:-4]).decode()}, "/source"),
    ],
)
def test_what_cannot_be_read_with_is_refused_with_its_place(client, asked, pointer):
    whole = {name: value for name, value in (AVRO | asked).items() if asked.get("kind") != "protobuf" or name != "source"}
    answer = put(client, "lines", whole)
    assert (answer.status_code, answer.json()["code"], answer.json()["errors"][0]["pointer"]) == (400, "invalid", pointer)
    assert not Schema.objects.exists()


def test_there_are_so_many_and_no_more(client, monkeypatch):
    monkeypatch.setattr(schemas, "MOST", 1)
    assert put(client, "lines", AVRO).status_code == 201
    refused = put(client, "more", AVRO)
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert put(client, "lines", AVRO | {"pattern": "*"}).status_code == 200


def test_where_the_library_is_missing_it_is_said_what_to_install(client, monkeypatch):
    put(client, "lines", AVRO)
    declare()
    [id] = publish("orders", BODY)
    monkeypatch.setattr(decoders, "find_spec", lambda name: None)
    refused = put(client, "more", AVRO)
    assert (refused.status_code, "brokerweb[decoders]" in refused.json()["detail"]) == (409, True)
    assert "brokerweb[decoders]" in text(client.get(f"/queues/orders/messages/{id}"))


def test_who_does_not_administer_neither_sees_nor_changes_them(client):
    put(client, "lines", AVRO)
    viewer = person(("*", ["browse", "publish", "manage", "unmask"]))
    for place in ("schemas", "new/schema", "schemas/lines", "schemas/lines/source", "schemas/lines/delete", "api/v1/schemas"):
        assert viewer.get(f"/{place}").status_code == 403, place
    assert viewer.post("/schemas/lines/delete").status_code == put(viewer, "lines", AVRO).status_code == 403


# Bodies


def shown(browser: Client, place: str) -> str:
    page = text(browser.get(place))
    assert_nothing_runs(page)
    return page


def test_a_message_is_shown_by_the_schema_that_holds_for_its_queue(client):
    put(client, "lines", AVRO)
    put(client, "others", AVRO | {"pattern": "*", "source": '"string"'})
    declare()
    declare("other")
    [bare], [elsewhere] = publish("orders", BODY), publish("other", BODY)
    page = shown(client, f"/queues/orders/messages/{bare}")
    assert "Read as Avro by the schema lines." in page
    assert "A-7" in page
    assert str(2**60) in page
    misfit = shown(client, f"/queues/other/messages/{elsewhere}")
    assert "It does not read as Avro by the schema others. Something follows its end." in misfit
    assert "by the schema lines" not in misfit
    [single, other] = publish("orders", b"\xc3\x01" + b"\0" * 8 + BODY, b"\0\0\0\0\x2a" + BODY)
    assert "whose fingerprint is 0000000000000000" in shown(client, f"/queues/orders/messages/{single}")
    assert "by the schema lines, with a registry&#x27;s id before it, 42." in shown(client, f"/queues/orders/messages/{other}")
    asked = shown(client, f"/queues/orders/messages/{bare}?as=schema:others")
    assert "It does not read as Avro by the schema others" in asked
    hexed = shown(client, f"/queues/orders/messages/{bare}?view=hex")
    assert "41 2d 37" in hexed


def test_json_is_shown_as_ever_and_asks_for_no_schema(client):
    put(client, "lines", AVRO | {"pattern": "*"})
    declare()
    [id] = publish("orders", {"a": 1})
    with CaptureQueriesContext(connection) as asked:
        page = shown(client, f"/queues/orders/messages/{id}")
    assert not [query for query in asked if Schema._meta.db_table in query["sql"]]
    assert ("Read as JSON" in page, "schema:lines" in page) == (True, False)


def test_records_and_a_groups_copies_are_read_by_the_streams_schemas(client):
    put(client, "orders", PROTOBUF | {"pattern": "stream:events", "content_type": "application/x-order"})
    declare_stream()
    declare_group("workers", kind="shared", max_failures=5)
    append("events", ORDER, ORDER, content_type="application/x-order")
    [dead] = kill_records("events", "workers", "bad")
    for place in ("/streams/events/records/0/0", f"/streams/events/groups/workers/dead/{dead}"):
        page = shown(client, place)
        assert "Read as Protobuf by the schema orders." in page
        assert "a_string" in page
    append("events", ORDER, content_type="application/x-protobuf")
    assert "a_string" not in shown(client, "/streams/events/records/0/2")


def test_names_and_texts_in_a_body_are_only_ever_text(client):
    fields = [{"name": f"n{n}", "type": "string"} for n in range(len(HOSTILE))]
    schema = {"type": "record", "name": "r", "fields": fields}
    put(client, "lines", AVRO | {"source": json.dumps(schema)})
    declare()
    [id] = publish("orders", encoded(schema, {f"n{n}": words for n, words in enumerate(HOSTILE)}))
    assert "n1" in shown(client, f"/queues/orders/messages/{id}")


def test_what_is_masked_is_read_by_no_schema(client):
    put(client, "lines", AVRO)
    declare()
    [id] = publish("orders", BODY, content_type="application/avro")
    entry = Entry(broker_itself(), "masks.put", "masks", {}, None)
    masks.put(entry, masks.parse([{"pattern": "orders", "fields": ["$.cents"]}]))
    try:
        looks = person(("*", ["browse"]))
        for view in ("", "?as=schema:lines", "?view=hex", "?view=raw"):
            page = shown(looks, f"/queues/orders/messages/{id}{view}")
            assert ("A-7" in page, "41 2d 37" in page, str(2**60) in page) == (False, False, False), view
        assert "A-7" in shown(client, f"/queues/orders/messages/{id}")
    finally:
        masks.put(entry, ())


# Pages


def given(**fields: Any) -> dict[str, Any]:
    usual = {"name": "orders", "kind": "protobuf", "pattern": "events", "message": "shop.Order", "content_type": "", "source": ""}
    return usual | fields


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_a_source_stays_to_the_byte_where_only_something_else_changes(client, line_end):
    """Browsers send CR LF, whatever they were shown."""
    source = json.dumps(LINE, indent=1).replace("\n", line_end)
    put(client, "lines", AVRO | {"source": source})
    sent = given(kind="avro", message="", pattern="ord*", source=json.dumps(LINE, indent=1).replace("\n", "\r\n"))
    assert client.post("/schemas/lines", sent).status_code == 302
    row = schemas.find("lines")
    assert (row.pattern, bytes(row.source).decode()) == ("ord*", source)
    assert client.post("/schemas/lines", sent | {"source": sent["source"] + "\r\n"}).status_code == 302
    assert bytes(schemas.find("lines").source).decode() == json.dumps(LINE, indent=1) + "\n"


def test_a_file_is_brought_in_changed_taken_away_and_deleted(client):
    assert "No schemas" in text(client.get("/schemas"))
    file = SimpleUploadedFile("shop.binpb", FILE)
    assert client.post("/new/schema", given(file=file)).status_code == 302
    page = shown(client, "/schemas")
    assert ("shop.Order" in page, "nothing yet" in page) == (True, True)
    declare("events")
    declare_stream()
    assert "queue:events, stream:events" in shown(client, "/schemas")
    assert client.get("/schemas/orders/source").content == FILE
    assert client.post("/schemas/orders", given(message="common.Money")).status_code == 302
    row = schemas.find("orders")
    assert (row.message, bytes(row.source)) == ("common.Money", FILE)
    assert client.post("/schemas/orders", given(kind="avro", message="", source=AVRO["source"])).status_code == 302
    assert schemas.find("orders").kind == "avro"
    assert "cents" in shown(client, "/schemas/orders")
    assert "Keep its file" in text(client.get("/schemas/orders/delete"))
    client.post("/schemas/orders/delete")
    assert not Schema.objects.exists()
    assert client.get("/schemas/orders").status_code == 404
    assert [entry.action for entry in AuditEntry.objects.order_by("id")] == [*["schema.declare"] * 3, "schema.delete"]
    assert shown(client, "/audit?action=schema")


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({}, "file"),
        ({"file": SimpleUploadedFile("x", b"no descriptors")}, "file"),
        ({"file": SimpleUploadedFile("x", b"")}, "file"),
        ({"file": SimpleUploadedFile("x", b"0" * (schemas.MOST_BYTES + 1))}, "file"),
        ({"file": SimpleUploadedFile("x", descriptors(SHOP))}, "file"),
        ({"file": SimpleUploadedFile("x", FILE), "message": ""}, "message"),
        ({"file": SimpleUploadedFile("x", FILE), "message": "shop.Nothing"}, "message"),
        ({"file": SimpleUploadedFile("x", FILE), "pattern": "a b"}, "pattern"),
        ({"kind": "avro", "message": "", "source": "{"}, "source"),
        ({"kind": "avro", "message": "", "file": SimpleUploadedFile("x", b"\xff")}, "file"),
        ({"kind": "avro", "message": "", "source": AVRO["source"], "name": "there"}, "name"),
    ],
)
def test_what_is_wrong_stands_at_its_field(client, fields, wrong):
    put(client, "there", AVRO)
    refused = client.post("/new/schema", given(**fields))
    assert (refused.status_code, list(refused.context["form"].errors)) == (400, [wrong])
    assert_nothing_runs(text(refused))
    assert Schema.objects.count() == 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_what_is_typed_is_only_ever_text(client, hostile):
    typed = dict.fromkeys(("name", "pattern", "message", "content_type", "source"), hostile)
    refused = client.post("/new/schema", given(file=SimpleUploadedFile(hostile, FILE), **typed))
    assert refused.status_code == 400
    assert_nothing_runs(text(refused))


def test_a_schema_that_another_changed_or_deleted_meanwhile_is_not_overwritten(client):
    put(client, "lines", AVRO)
    form = client.get("/schemas/lines").context["form"]
    sent = given(kind="avro", message="", pattern="queue:a*", source=AVRO["source"], seen=form.initial["seen"])
    newer = json.dumps(LINE | {"name": "newer"})
    put(client, "lines", AVRO | {"source": newer})
    refused = client.post("/schemas/lines", sent)
    assert (refused.status_code, "changed meanwhile" in text(refused)) == (400, True)
    assert bytes(schemas.find("lines").source).decode() == newer
    assert client.post("/schemas/lines", sent | {"seen": refused.context["form"].data["seen"]}).status_code == 302
    gone = schemas.Schema("gone", "avro", "queue:a", b'"int"')
    with pytest.raises(NotFound):
        schemas.declare(broker_itself(), gone, seen=SchemaForm(known=gone).check_schema)
