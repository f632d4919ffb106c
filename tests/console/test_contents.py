"""What is not, or no longer, what was published: damaged or redacted messages and records, and the way to redact them."""

from __future__ import annotations

import pytest
from django.db import connection

from brokerweb.identity.models import AuditEntry
from brokerweb.queues.models import Message
from brokerweb.streams.models import Record
from tests.console.conftest import append, declare, declare_group, declare_stream, kill, kill_records, person, publish, text

pytestmark = pytest.mark.usefixtures("database")
SECRET = "hunter2"


def spoil(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE brokerweb_{table} SET body = CAST(body || x'20' AS BLOB)")


@pytest.fixture
def message(client) -> str:
    declare()
    [id] = publish("orders", SECRET, headers=f'{{"a":"{SECRET}"}}')
    return f"/queues/orders/messages/{id}"


@pytest.fixture
def record(client) -> str:
    declare_stream()
    append("events", SECRET, headers=f'{{"a":"{SECRET}"}}')
    return "/streams/events/records/0/0"


def test_a_damaged_message_is_said_to_be_and_neither_shown_nor_given_nor_edited(client, message):
    spoil("queues_content")
    for page in (message, "/queues/orders/messages"):
        shown = text(client.get(page))
        assert "damaged" in shown.lower()
        assert SECRET not in shown
    assert client.get(f"{message}/body").status_code == 409
    assert client.get(f"{message}/edit").status_code == 409


def test_a_damaged_record_is_said_to_be_and_neither_shown_nor_given(client, record):
    spoil("streams_record")
    for page in (record, "/streams/events/records"):
        shown = text(client.get(page))
        assert "damaged" in shown.lower()
        assert SECRET not in shown
    assert client.get(f"{record}/body").status_code == 409


def test_large_bodies_of_a_list_are_not_all_read(client):
    declare_stream(max_body_bytes=5_000_000)
    append("events", "x" * 400_000, "y" * 400_000)
    spoil("streams_record")
    shown = text(client.get("/streams/events/records?from=earliest"))
    assert ("yyy" in shown, "xxx" in shown) == (True, False)


def test_a_message_is_redacted_by_who_may_manage(client, message):
    kill("orders", SECRET)
    assert f'href="{message}/redact"' in text(client.get(message))
    page = client.get(f"{message}/redact")
    assert "Redact 1 message" in text(page)
    response = client.post(f"{message}/redact", follow=True)
    assert response.redirect_chain == [(message, 302)]
    shown = text(response)
    assert "Redacted by admin" in shown
    assert SECRET not in shown
    assert client.get(f"{message}/body").content == b"null"
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.detail) == (
        "message.redact",
        message.replace("/queues/", "queue:").replace("/messages", ""),
        {},
    )
    assert Message.objects.get().last_error is None


def test_a_record_is_redacted_with_its_dead_letter(client, record):
    declare_group("workers", kind="shared")
    [id] = kill_records("events", "workers", SECRET)
    assert f'href="{record}/redact"' in text(client.get(record))
    assert "Redact 1 record" in text(client.get(f"{record}/redact"))
    response = client.post(f"{record}/redact", follow=True)
    assert response.redirect_chain == [(record, 302)]
    for page in (record, f"/streams/events/groups/workers/dead/{id}"):
        shown = text(client.get(page))
        assert "Redacted by admin" in shown
        assert SECRET not in shown
    assert [(e.action, e.target) for e in AuditEntry.objects.all()] == [("record.redact", "stream:events/0/0")]
    assert bytes(Record.objects.get().body) == b"null"


@pytest.mark.parametrize("which", ["message", "record"])
def test_who_may_only_look_redacts_nothing(request, which):
    path = request.getfixturevalue(which)
    viewer = person(("*", ["browse"]))
    assert "/redact" not in text(viewer.get(path))
    assert viewer.get(f"{path}/redact").status_code == 403
    assert viewer.post(f"{path}/redact").status_code == 403
    assert not AuditEntry.objects.exists()
