"""What an export wrote, or any JSON a line a message, published from a file."""

from __future__ import annotations

import json
from html import unescape

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from brokerweb.answers.search.search import Hit
from brokerweb.faces.export import Lines, Table
from brokerweb.queues.models import Message
from brokerweb.streams.models import Record
from tests.console.conftest import append, declare, declare_group, declare_stream, kill_records, person, publish, text
from tests.console.test_exports import whole
from tests.console.test_publishing import post


def upload(client, content: str, name: str = "some.ndjson", place: str = "/queues/orders/connect/file"):
    return client.post(place, {"file": SimpleUploadedFile(name, content.encode())})


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_was_exported_is_published_again(client, form):
    declare()
    for fields in ({}, {"body": "=1+1", "kind": "text", "headers": "a: b\nc: =d"}, {"body": '"=x"', "headers": ""}):
        post(client, **fields)
    for key in ("#17", "=x", "'=x", "''", "'", "", "'it", None):
        publish("orders", 1, key=key)
    publish("orders", "x" * 200_000)
    publish("orders", b"", key="#")
    before = [(bytes(m.body), m.binary, m.key, m.headers, m.content_type) for m in Message.objects.order_by("pk")]
    written = (Lines if form == "ndjson" else Table)()
    hits = [Hit("queue", "orders", message) for message in Message.objects.order_by("pk")]
    exported = written.begin() + written.rows(hits) + written.end({"scanned": 3, "complete": True})
    Message.objects.all().delete()
    page = text(upload(client, exported.decode(), f"orders.{form}"))
    after = [(bytes(m.body), m.binary, m.key, m.headers, m.content_type) for m in Message.objects.order_by("pk")]
    assert after == before
    assert f"Stored {len(before)}" in page


def test_lines_of_any_json_are_bodies(client):
    declare()
    declare_stream()
    lines = '{"n": 1.10}\r\n\n[1, 2]\n{"body": {"n": 2}, "key": "k", "partition": 7, "id": "9", "state": "dead"}'
    for place in ("/queues/orders/connect/file", "/streams/events/connect/file"):
        upload(client, lines, "bodies.txt", place)
    assert [(bytes(m.body), m.key) for m in Message.objects.order_by("pk")] == [
        (b'{"n": 1.10}', None),
        (b"[1, 2]", None),
        (b'{"n": 2}', "k"),
    ]
    assert {bytes(record.body) for record in Record.objects.all()} == {b'{"n": 1.10}', b"[1, 2]", b'{"n": 2}'}


WRONG = {
    "1\n{": "Line 2 is not JSON",
    '1\n{"body": 1, "priority": 77}': "Line 2: priority",
    '{"destination": "queue:a", "id": "1", "damaged": true}': "Line 1: it has no body",
    '{"body": "•••", "masked": ["$.card"]}': "Line 1: what is masked",
    "": "There is no message in it",
    "[" * 100_000: "Line 1 nests deeper",
}
WRONG_TABLES = {
    "body\n" + "[" * 100_000: "Line 2: body nests deeper",
    "x" * 200_000 + "\n1": "Its first line names no column",
    "body,key\n,k": "Line 2: it has no body",
}


@pytest.mark.parametrize("content", WRONG)
def test_of_a_file_in_which_something_is_wrong_nothing_is_stored(client, content):
    declare()
    response = upload(client, content)
    assert response.status_code == 400
    assert WRONG[content] in unescape(text(response))
    assert not Message.objects.exists()


@pytest.mark.parametrize("content", WRONG_TABLES, ids=WRONG_TABLES.get)
def test_of_a_table_in_which_something_is_wrong_nothing_is_stored(client, content):
    declare()
    response = upload(client, content, "some.csv")
    assert WRONG_TABLES[content] in unescape(text(response))
    assert not Message.objects.exists()


def test_only_the_very_end_of_an_export_is_no_message(client):
    declare()
    end = {"scanned": 1, "complete": True}
    upload(client, f"{json.dumps(end)}\n{json.dumps(end)}")
    assert Message.objects.count() == 2, "what others wrote ends without a word"
    upload(client, f'{{"body": 1}}\n{json.dumps(end)}')
    assert Message.objects.count() == 3
    upload(
        client, 'key,body,priority\n#1,1,\n#,"{""complete"":true,""rows"":1}",1\n#,"{""complete"":true,""rows"":1}"\n', "a.csv"
    )
    assert list(Message.objects.order_by("pk").values_list("key", flat=True)[3:]) == ["#1", "#"]


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_what_died_in_a_shared_group_is_published_from_its_list(client, form):
    declare()
    declare_stream()
    declare_group("some", kind="shared", max_failures=1)
    append("events", None, b"\0", b"")
    kill_records("events", "some", "a", "b", "c")
    answer = client.get(f"/exports/dead-of-group?of=events&group=some&format={form}")
    upload(client, whole(answer).decode(), f"some.{form}")
    found = {(bytes(message.body), message.binary) for message in Message.objects.filter(queue__name="orders")}
    assert found == {(b"null", False), (b"\0", True), (b"", True)}


def test_a_file_takes_what_publishing_takes(database):
    declare()
    assert upload(person(("orders", ["browse"])), "1").status_code == 403
    assert not Message.objects.exists()
