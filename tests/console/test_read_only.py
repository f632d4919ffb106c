"""With BROKERWEB_READ_ONLY people look and change nothing, wherever they try; programs go on."""

from __future__ import annotations

import json
import re

import pytest
from django.test import Client

from brokerweb import conf
from brokerweb.faces.rest.openapi import calls
from brokerweb.identity import tokens
from brokerweb.identity.models import AuditEntry
from brokerweb.identity.principal import broker_itself
from brokerweb.identity.users import principal_of
from brokerweb.queues import control
from brokerweb.queues.models import Queue
from brokerweb.storage.run import perform
from tests.console.test_security import VALUES, places

OWN = {  # of the session and the browser alone
    "/sign-in",
    "/sign-in/bwc_x",
    "/invitation/bwc_x",
    "/sign-out",
    "/theme",
    "/zone",
    "/first-steps/hide",
    "/lists/look",
}
LOOK = '<form method="post" action="/lists/look">'  # how lists look is the browser's own
SENTENCE = "read-only for people"


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch):
    """People may look, and there is a queue."""
    perform(control.declare, "orders", {})
    monkeypatch.setenv("BROKERWEB_READ_ONLY", "true")
    conf.forget()
    yield
    monkeypatch.undo()
    conf.forget()


def test_no_page_acts(client, looking):
    before = AuditEntry.objects.count()
    refused = set()
    for place in set(places()) - OWN:
        answer = client.post(place, {"name": "new", "typed": VALUES["name"]})
        assert answer.status_code in (403, 405), place
        if answer.status_code == 403:
            assert SENTENCE in answer.content.decode(), place
            refused.add(place)
    assert len(refused) > 40
    assert AuditEntry.objects.count() == before
    assert Queue.declared.count() == 1


def test_no_call_with_a_session_acts(client, looking):
    for path, method, described in calls():
        if method.upper() == "GET":
            continue
        place = "/api/v1" + re.sub(r"\{\w+\}", "1", path)
        answer = client.generic(method.upper(), place, "{}", content_type="application/json")
        assert (answer.status_code, json.loads(answer.content)["code"]) == (403, "forbidden"), described.id
        assert SENTENCE in json.loads(answer.content)["detail"], described.id


def test_a_session_is_given_nothing_that_changes_on_a_socket_either(admin, looking):
    person = principal_of(admin)
    assert [verb for verb in ("publish", "consume", "browse", "manage") if person.may(verb, "queue", "orders")] == ["browse"]


def test_programs_go_on_with_their_tokens(database, looking):
    made = tokens.create(broker_itself(), {"name": "shop", "grants": [{"pattern": "*", "verbs": ["manage"]}]})
    shop = Client(headers={"Authorization": f"Bearer {made.text}"})
    assert shop.put("/api/v1/queues/new", "{}", content_type="application/json").status_code == 201


def test_what_would_act_is_not_offered_and_a_notice_says_why(client, looking):
    for place in ("/", "/queues", "/queues/orders", "/queues/orders/messages", "/tokens", "/connections", "/streams", "/topics"):
        answer = client.get(place)
        page = answer.content.decode()
        assert answer.status_code == 200, place
        assert "Read-only:" in page, place
        main = page.partition('<main id="main"')[2].partition("</main>")[0].replace(LOOK, "")
        assert not re.search(r'method="post"|/new/|/publish"|/pause|/purge|/delete|/close|/revoke', main), place


def test_signing_in_still_works_and_is_told(admin, looking):
    browser = Client()
    assert "Read-only:" in browser.get("/sign-in").content.decode()
    answer = browser.post("/sign-in", {"username": "admin", "password": "password-of-the-tests"})
    assert answer["Location"] == "/"
    assert browser.post("/theme", {"theme": "dark"}).cookies["console_theme"].value == "dark"
    assert browser.post("/sign-out").status_code == 302
