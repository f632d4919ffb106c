"""What REST leaves behind: the audit trail; and what it says when something breaks. In process, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from brokerweb.identity import tokens
from brokerweb.identity.grants import Permit
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.queues import browse, publish
from brokerweb.queues.models import Message

pytestmark = pytest.mark.django_db(transaction=True)


BINDING = {"pattern": "#", "to": "queue:orders"}
BOUND = {"pattern": "bound.#", "to": "queue:orders"}


class Caller:
    """A client with an administrator's token."""

    def __init__(self) -> None:
        made = tokens.store(broker_itself(), "ops", [Permit(None, "*", frozenset({"admin"}))])
        self.client = Client(headers={"Authorization": f"Bearer {made.text}"}, raise_request_exception=False)

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        content = b"" if body is None else json.dumps(body).encode()
        return self.client.generic(method, f"/api/v1{path}", content, content_type="application/json", headers=headers)


@pytest.fixture
def caller() -> Caller:
    return Caller()


@pytest.fixture
def message(caller: Caller) -> int:
    """A scheduled message of the queue ``orders``, beside the topic ``shop``."""
    caller.call("PUT", "/queues/orders")
    caller.call("PUT", "/topics/shop", {"bindings": [BOUND]})
    publish("orders", 1, delay=3600)
    return Message.objects.get().pk


@pytest.mark.parametrize(
    ("method", "path", "body", "action", "target"),
    [
        ("PUT", "/queues/orders", {"lease": 5}, "queue.declare", "queue:orders"),
        ("DELETE", "/queues/orders", None, "queue.delete", "queue:orders"),
        ("POST", "/queues/orders/pause", {"reason": "r"}, "queue.pause", "queue:orders"),
        ("POST", "/queues/orders/resume", None, "queue.resume", "queue:orders"),
        ("POST", "/queues/orders/purge", {}, "queue.purge", "queue:orders"),
        ("POST", "/queues/orders/redrive", {}, "queue.redrive", "queue:orders"),
        ("POST", "/queues/orders/purge", {"rate": 5}, "queue.purge", "queue:orders"),
        ("POST", "/queues/orders/redrive", {"rate": 5}, "queue.redrive", "queue:orders"),
        ("PUT", "/topics/shop", {"unrouted": "drop"}, "topic.declare", "topic:shop"),
        ("POST", "/topics/shop/bindings", {"bindings": [BINDING]}, "topic.bind", "topic:shop"),
        ("DELETE", "/topics/shop/bindings", {"bindings": [BOUND]}, "topic.unbind", "topic:shop"),
        ("DELETE", "/topics/shop", None, "topic.delete", "topic:shop"),
        ("DELETE", "/queues/orders/messages/{id}", None, "message.delete", "queue:orders/{id}"),
        ("PATCH", "/queues/orders/messages/{id}", {"delay": 5}, "message.reschedule", "queue:orders/{id}"),
        ("POST", "/queues/orders/messages/{id}/requeue", None, "message.requeue", "queue:orders/{id}"),
        ("POST", "/queues/orders/messages/{id}/requeue", {"message": {"body": 2}}, "message.replace", "queue:orders/{id}"),
        ("POST", "/tokens", {"name": "t", "grants": []}, "token.create", "token:"),
    ],
)
def test_whoever_changes_something_is_named(
    caller: Caller, message: int, method: str, path: str, body: Any, action: str, target: str
) -> None:
    AuditEntry.objects.all().delete()
    assert caller.call(method, path.replace("{id}", str(message)), body).status_code < 300
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.address) == ("ops", action, "127.0.0.1")
    assert entry.target.startswith(target.replace("{id}", str(message)))


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/queues/orders", {"lease": 0}),
        ("DELETE", "/queues/orders?if_empty=true", None),
        ("POST", "/queues/orders/purge", {"dry_run": True}),
        ("DELETE", "/queues/orders/messages/999", None),
        ("DELETE", "/queues/nobody", None),
        ("POST", "/queues/nobody/purge", {}),
        ("POST", "/queues/orders/purge", {"rate": 0}),
        ("POST", "/queues/orders/redrive", {"rate": 0}),
        ("POST", "/queues/orders/redrive", {"to": "nobody"}),
        ("POST", "/topics/shop/bindings", {"bindings": [{"pattern": "#", "to": "queue:nobody"}]}),
        ("DELETE", "/topics/nobody/bindings", {"bindings": [BINDING]}),
    ],
)
def test_what_did_not_happen_is_not_in_the_trail(caller: Caller, message: int, method: str, path: str, body: Any) -> None:
    AuditEntry.objects.all().delete()
    caller.call(method, path, body)
    assert not AuditEntry.objects.exists()


def test_what_was_decided_on_an_older_state_is_not_in_the_trail_either(caller: Caller, message: int) -> None:
    AuditEntry.objects.all().delete()
    for method in ("PUT", "PATCH", "DELETE"):
        assert (
            caller.call(method, "/queues/orders", {} if method != "DELETE" else None, **{"If-Match": '"older"'}).status_code
            == 412
        )
    assert not AuditEntry.objects.exists()


def test_a_store_that_fails_is_unavailable(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> Any:
        raise OperationalError("database is locked")

    monkeypatch.setattr(browse, "find", fails)
    answer = caller.call("GET", "/queues/orders")
    assert (answer.status_code, answer.json()["code"], answer["Retry-After"]) == (503, "unavailable", "1")


def test_a_defect_is_internal_and_says_nothing_of_itself(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(name: str) -> Any:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr(browse, "find", fails)
    answer = caller.call("GET", "/queues/orders")
    assert (answer.status_code, answer.json()["code"], answer["Content-Type"]) == (500, "internal", "application/problem+json")
    assert b"secret" not in answer.content


def test_a_store_of_identity_that_fails_is_never_taken_for_a_yes(caller: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*args: Any, **kwargs: Any) -> Any:
        raise OperationalError("database is locked")

    tokens.forget_cached()
    monkeypatch.setattr("django.db.models.query.QuerySet._fetch_all", fails)
    assert caller.call("GET", "/queues").status_code == 503
