"""Where the disk has no room at all the console says so, in pages of its own: 507, never 500."""

from __future__ import annotations

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError
from django.test import Client

from brokerweb.identity import audit, signin
from tests.console.conftest import declare

FULL = "database or disk is full"


@pytest.fixture
def browser() -> Client:
    return Client(raise_request_exception=False)


@pytest.fixture
def no_room_for_sessions(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    def refuse(*args: object, **options: object) -> None:
        raise OperationalError(FULL)

    monkeypatch.setattr(SessionStore, "save", refuse)
    return monkeypatch


def test_a_sign_in_whose_session_cannot_be_stored_is_a_page(admin, browser, no_room_for_sessions):
    answer = browser.post("/sign-in", {"username": "admin", "password": "password-of-the-tests"})
    assert answer.status_code == 507
    assert "store_full" in answer.content.decode()
    assert "brokerweb_session" not in answer.cookies


def test_a_link_whose_session_cannot_be_stored_can_be_used_later(admin, browser, no_room_for_sessions):
    code = signin.create_code(admin)
    assert browser.post(f"/sign-in?code={code}").status_code == 507
    no_room_for_sessions.undo()
    assert browser.post(f"/sign-in?code={code}").status_code == 302
    assert browser.get("/").status_code == 200


def test_an_action_that_cannot_be_stored_says_so(client, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise OperationalError(FULL)

    declare("orders")
    monkeypatch.setattr(audit, "record", refuse)
    client.raise_request_exception = False
    answer = client.post("/queues/orders/pause", follow=True)
    assert answer.status_code in (200, 507)
    assert "store_full" in answer.content.decode()


def test_a_session_that_cannot_be_stored_at_the_end_of_a_request_is_a_page(client, no_room_for_sessions):
    declare("orders")
    client.raise_request_exception = False
    answer = client.post("/queues/orders/pause")
    assert answer.status_code == 507
    text = answer.content.decode()
    assert "store_full" in text
    assert "Make room on the broker" in text


def test_what_is_no_refusal_of_the_database_stays_a_fault(client, monkeypatch):
    def fail(*args: object, **options: object) -> None:
        raise ValueError

    monkeypatch.setattr(SessionStore, "save", fail)
    client.raise_request_exception = False
    declare("orders")
    assert client.post("/queues/orders/pause").status_code == 500
