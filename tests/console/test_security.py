"""Who gets in and who may what; and that what people and programs send is only ever text."""

from __future__ import annotations

import json
import re
from html import escape
from html.parser import HTMLParser
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.urls import get_resolver
from django.urls.resolvers import URLPattern

import brokerweb.console.urls
from brokerweb.console.bodies import visible
from brokerweb.identity import signin
from brokerweb.identity.attempts import PER_NAME
from brokerweb.identity.models import AuditEntry
from brokerweb.queues.models import Message, Queue
from tests.console.conftest import HOSTILE, declare, declare_stream, declare_topic, kill, person, publish, text

pytestmark = pytest.mark.usefixtures("database")

VALUES = {"name": "orders", "message_id": "1", "token_id": "1", "connection_id": "c1", "code": "bwc_x"}
VALUES |= {
    "group": "billing",
    "partition": "0",
    "offset": "0",
    "job_id": "1",
    "number": "1",
    "view_id": "1",
    "template_id": "1",
    "what": "queues",
    "person": "ada",
}
POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "font-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
}


def places() -> list[str]:
    """Every address of the console, with something for each of its parameters."""
    return [addressed(p) for p in brokerweb.console.urls.urlpatterns if isinstance(p, URLPattern)]


def addressed(pattern: URLPattern) -> str:
    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", lambda found: VALUES[found[1]], str(pattern.pattern))


class Elements(HTMLParser):
    """What a page consists of, for questions that text search cannot answer."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))


def assert_nothing_runs(page: str) -> None:
    """Scripts are the console's own files; no element has a handler, a style or a foreign address."""
    for tag, attributes in Elements(page).tags:
        assert tag not in ("iframe", "object", "embed", "base", "img", "style"), tag
        assert not [name for name in attributes if name.startswith(("on", "hx-on")) or name == "style"], attributes
        if tag == "script":
            assert str(attributes.get("src")).startswith("/static/")
        for name in ("href", "src", "action", "hx-get"):
            if attributes.get(name):
                assert str(attributes[name])[:1] in "/?#", attributes


# Getting in


def test_without_a_session_only_sign_in_answers():
    answering = [p for p in places() if Client().get(p).status_code == 200]
    assert answering == ["/sign-in", "/sign-in/bwc_x"]
    assert Client().get("/invitation/bwc_x").status_code == 401  # of whom there is no invitation
    for place in {*places()} - {*answering, "/invitation/bwc_x"}:
        for response in (Client().get(place), Client().post(place)):
            allowed = response.status_code == 405 or response["Location"].startswith("/sign-in")
            assert allowed, place


def test_nothing_else_of_the_project_answers_without_a_session_or_token():
    """The whole address table: whoever adds a face decides here whether strangers may see it."""
    resolver = get_resolver()
    assert Client().get("/nothing")["Location"] == "/sign-in?next=%2Fnothing"
    assert Client().get("/api/v1/docs").status_code in (302, 401, 403)
    assert Client().get("/metrics").status_code in (401, 403)
    assert resolver.resolve("/").namespace == "brokerweb_console"


def test_a_poll_after_the_session_ended_is_401():
    assert Client().get("/queues", headers={"HX-Request": "true"}).status_code == 401


@pytest.mark.parametrize(
    ("referer", "place"),
    [
        ("http://testserver/queues/orders/publish?x=1", "/queues/orders/publish?x=1"),
        ("https://evil.example/queues", "/"),
        ("http://testserver//evil.example", "/"),
        ("http://[", "/"),
        ("http://testserver/sign-in?next=/x", "/"),
        ("", "/"),
    ],
)
def test_what_is_sent_after_the_session_ended_is_not_lost_silently(admin, referer, place):
    browser = Client()
    response = browser.post("/queues/orders/publish", {"body": "1"}, headers={"Referer": referer})
    assert response["Location"] == f"/sign-in?{urlencode({'next': place, 'unsent': 1})}"
    assert "What you sent was not carried out" in text(browser.get(response["Location"]))
    assert "not carried out" not in text(browser.get("/sign-in"))


def test_a_form_of_an_earlier_session_is_refused_with_the_way_back_to_it(admin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    response = browser.post(
        "/queues/orders/publish", {"body": "1"}, headers={"Referer": "http://testserver/queues/orders/publish"}
    )
    assert response.status_code == 403
    assert 'href="/queues/orders/publish">Open the page again' in text(response)
    assert_nothing_runs(text(response))
    browser.logout()
    assert "What you sent was not carried out" in text(browser.post("/sign-in", {"username": "admin"}))


def test_a_password_signs_in_and_leads_back(admin):
    response = Client().post("/sign-in", {"username": "admin", "password": "password-of-the-tests", "next": "/dead?queue=a"})
    assert response["Location"] == "/dead?queue=a"


@pytest.mark.parametrize("place", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_never_leads_elsewhere(admin, place):
    response = Client().post("/sign-in", {"username": "admin", "password": "password-of-the-tests", "next": place})
    assert response["Location"] == "/"


def test_wrong_passwords_are_counted_and_then_refused(admin):
    wrong = {"username": "admin", "password": "wrong"}
    statuses = [Client().post("/sign-in", wrong).status_code for _ in range(PER_NAME + 1)]
    assert statuses == [401] * PER_NAME + [429]
    locked = Client().post("/sign-in", {**wrong, "password": "password-of-the-tests"})
    assert (locked.status_code, int(locked["Retry-After"]) > 0) == (429, True)


def test_opening_a_link_uses_nothing_up_and_its_button_works_once(admin):
    code, browser = signin.create_code(admin), Client()
    for place in (f"/sign-in/{code}", f"/sign-in?code={code}"):
        assert "This link signs you in once" in text(browser.get(place))
    assert browser.post(f"/sign-in?code={code}")["Location"] == "/"
    assert browser.get("/").status_code == 200
    assert Client().post(f"/sign-in/{code}").status_code == 401


def test_signing_out_ends_the_session(client):
    assert client.get("/sign-out").status_code == 405
    client.post("/sign-out")
    assert client.get("/").status_code == 302


def test_the_session_cookie_is_out_of_reach_of_scripts(admin):
    response = Client().post("/sign-in", {"username": "admin", "password": "password-of-the-tests"})
    cookie = response.cookies["brokerweb_session"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


# What comes with every page


def test_every_page_carries_the_policy_and_is_not_cached(client):
    declare("orders")
    for place in places():
        response = client.get(place)
        assert set(response["Content-Security-Policy"].split("; ")) >= POLICY, place
        assert "unsafe" not in response["Content-Security-Policy"]
        if response.status_code == 200:
            assert "no-store" in response["Cache-Control"], place
            if "text/html" in response["Content-Type"]:
                assert_nothing_runs(text(response))


def test_every_post_needs_the_csrf_token(admin):
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(admin)
    assert {place for place in places() if browser.post(place).status_code not in (403, 405)} == set()
    assert Client(enforce_csrf_checks=True).post("/sign-in", {"username": "admin"}).status_code == 403


# Who may what


ACTIONS = {
    "manage": (
        "settings",
        "pause",
        "resume",
        "purge",
        "delete",
        "messages/{id}/edit",
        "messages/{id}/requeue",
        "messages/{id}/delete",
        "messages/{id}/reschedule",
        "messages/{id}/release",
    ),
    "publish": ("publish",),
}


@pytest.mark.parametrize(("verb", "place"), [(verb, place) for verb, places in ACTIONS.items() for place in places])
def test_an_action_needs_its_verb(verb, place):
    declare("orders")
    publish("orders", 1)
    [message] = kill("orders", "x")
    others = [v for v in ("publish", "consume", "browse", "manage") if v != verb]
    viewer = person(("orders", others))
    fields = {"typed": "orders", "body": "1", "kind": "json", "delay": "1", "lease": "9"}
    assert viewer.post(f"/queues/orders/{place.format(id=message)}", fields).status_code == 403
    assert not AuditEntry.objects.exists()
    assert Queue.objects.get().paused_at is None
    assert Message.objects.get().state == 4


@pytest.mark.parametrize("place", ["", "/messages", "/messages/1", "/messages/1/body", "/in-flight", "/consumers", "/settings"])
@pytest.mark.parametrize("name", ["orders", "nothing-there"])
def test_without_browse_a_queue_is_403_whether_it_exists_or_not(name, place):
    declare("orders")
    viewer = person(("other", ["browse"]))
    assert viewer.get(f"/queues/{name}{place}").status_code == 403


@pytest.mark.parametrize(
    "place",
    [
        "/audit",
        "/definitions",
        "/users",
        "/access",
        "/connections",
        "/connections/c1/close",
        "/nodes",
        "/tokens",
        "/new/token",
        "/tokens/1/revoke",
    ],
)
def test_administration_needs_admin(place):
    viewer = person(("*", ["publish", "consume", "browse", "manage", "monitor"]))
    assert viewer.post(place, {"name": "x", "pattern-0": "*", "verbs-0": ["admin"]}).status_code in (400, 403, 405)
    assert viewer.get(place).status_code == 403 or place == "/new/token"


def test_nobody_makes_a_token_that_may_more_than_they_do():
    maker = person(("orders.*", ["admin"]))
    fields = {"name": "x", "pattern-0": "*", "verbs-0": ["publish"], "expires": ""}
    response = maker.post("/new/token", fields)
    assert response.status_code == 400
    assert "more than your own grants cover" in text(response)


def test_redriving_elsewhere_needs_publish_there():
    for name in ("a", "b"):
        declare(name)
    publish("a", 1)
    [dead] = kill("a", "x")
    viewer = person(("a", ["browse", "manage"]), ("b", ["browse"]))
    assert viewer.post("/dead/redrive", {"pick": f"a/{dead}", "to": "b"}).status_code == 400
    assert viewer.post("/dead/redrive", {"pick": f"b/{dead}"}).status_code == 403
    assert Message.objects.get().state == 4


def test_what_is_not_allowed_is_not_offered():
    declare("orders")
    publish("orders", 1)
    [message] = kill("orders", "x")
    viewer = person(("orders", ["browse"]))
    page = text(viewer.get("/queues/orders"))
    assert "/purge" not in page
    assert "Not among your grants on this name: publish, manage" in page
    assert "/requeue" not in text(viewer.get(f"/queues/orders/messages/{message}"))
    dead = text(viewer.get("/dead"))
    assert "/requeue" not in dead
    assert "Redrive" not in dead
    assert 'name="pick"' not in dead
    assert ">Change<" not in page


def test_dead_letters_can_be_chosen_only_where_they_may_be_put_back():
    for name in ("mine", "theirs"):
        declare(name)
        publish(name, 1)
    [mine], [theirs] = kill("mine", "x"), kill("theirs", "x")
    viewer = person(("mine", ["browse", "manage"]), ("theirs", ["browse"]))
    dead = text(viewer.get("/dead"))
    assert f'value="mine/{mine}"' in dead
    assert f'value="theirs/{theirs}"' not in dead
    assert "Redrive all matching" in dead
    assert "Redrive all matching" not in text(viewer.get("/dead?queue=theirs"))


def test_the_first_steps_are_those_of_who_may_take_them():
    assert "First steps" not in text(person(("mine.*", ["browse", "manage"])).get("/"))


@pytest.mark.parametrize("place", ["queues/orders", "streams/orders"])
def test_who_deletes_learns_no_topic_that_they_may_not_browse(place):
    declare("orders")
    declare_stream("orders")
    for kind in ("queue", "stream"):
        declare_topic(f"secret-{kind}", **{"a.b": f"{kind}:orders"})
        declare_topic(f"shop-{kind}", **{"a.b": f"{kind}:orders"})
    page = text(person(("orders", ["browse", "manage"]), ("shop-*", ["browse"])).get(f"/{place}/delete"))
    assert "secret" not in page
    assert f"shop-{place.partition('s/')[0]}, 1 that you may not browse" in page


def test_a_person_without_grants_is_told_who_can_help():
    declare("orders")
    page = text(person().get("/queues"))
    assert "no verb on any name is granted to you" in page
    assert "Whoever runs the broker" in page


# Hostile text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_a_message_stays_text(client, hostile):
    declare("orders")
    kept = hostile.replace("\0", "")
    publish("orders", {"t": hostile}, key=kept, headers=json.dumps({kept: kept}), correlation_id=kept, content_type="text/html")
    [message] = kill("orders", kept)
    pages = [
        f"/queues/orders/messages/{message}",
        f"/queues/orders/messages/{message}?view=raw",
        "/dead",
        "/queues/orders/messages",
    ]
    for place in (
        *pages,
        f"/queues/orders/messages/{message}/edit",
        f"/queues/orders/messages/{message}/delete",
        "/dead/redrive?all=1",
    ):
        response = client.get(place)
        assert response.status_code == 200
        assert_nothing_runs(text(response))
        assert "\u202e" not in text(response).partition("<textarea")[0]
    if "\0" not in hostile:
        assert escape(hostile) in text(client.get(pages[0]))


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "place",
    [
        *("/queues?prefix=", "/queues?after=", "/queues/orders/messages?key=", "/queues/orders/messages?state="),
        *("/dead?queue=", "/dead?reason=", "/dead?before=", "/sign-in?next=", "/sign-in?code=", "/tokens?after="),
        *("/queues/orders/purge?states=", "/dead/redrive?pick="),
    ],
)
def test_hostile_text_in_an_address_stays_text(client, place, hostile):
    declare("orders")
    name, _, _ = place.partition("?")
    response = client.get(name, {place.rpartition("?")[2].rstrip("="): hostile})
    assert response.status_code in (200, 400)
    assert_nothing_runs(text(response))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_text_in_a_form_stays_text(client, hostile):
    declare("orders")
    kept = hostile.replace("\0", "")
    responses = [
        client.post("/queues/orders/pause", {"reason": hostile}, follow=True),
        client.post("/new/queue", {"name": hostile}),
        client.post("/queues/orders/publish", {"body": hostile, "kind": hostile, "headers": hostile, "priority": hostile}),
        client.post("/queues/orders/settings", {"lease": hostile}),
        client.post("/new/token", {"name": hostile, "pattern-0": hostile, "verbs-0": [hostile]}),
        client.post("/sign-in", {"username": hostile, "password": hostile, "next": hostile}),
        client.get("/queues/orders"),
    ]
    for response in responses:
        assert response.status_code in (200, 400, 401)
        assert_nothing_runs(text(response))
    assert escape(visible(kept)) in text(responses[-1])


def test_a_name_is_looked_up_only_when_it_is_one(client):
    for name in ("<script>", "..", "%2e%2e", "a%2fb", ".hidden", "a" * 201, "a b"):
        assert client.get(f"/queues/{name}").status_code == 404


@pytest.mark.parametrize("kind", ["queue", "stream", "topic", "token"])
def test_nobody_fills_in_the_form_of_what_they_can_not_make(kind):
    assert person(("*", ["browse", "publish"])).get(f"/new/{kind}").status_code == 403
    assert person(("orders.*", ["manage", "admin"]), name="maker").get(f"/new/{kind}").status_code == 200


def test_who_may_put_no_dead_letter_back_is_told_why():
    publish(declare(), 1)
    kill("orders", "broken")
    refused = person(("*", ["browse"])).get("/dead/redrive?all=1")
    assert (refused.status_code, "not among your grants" in text(refused)) == (403, True)


def test_who_holds_no_grants_is_told_so_on_the_overview():
    assert "You hold no grants" in text(person().get("/"))
