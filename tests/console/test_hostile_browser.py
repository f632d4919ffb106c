"""What clients send, on every page of the console in a real browser: nothing of it may run, load or break a page."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode
from collections.abc import Generator
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Page

from tests.clients import Rest, Socket
from tests.console.browser import chromium, visiting
from tests.server import Server

pytestmark = pytest.mark.long
TEXT = "</script></textarea></title>\"'><script>pwned()</script><img src=x onerror=pwned()><b hx-get=/pwned hx-trigger=load>{{7}}"
PASSWORD = "password-of-the-real-server-tests"
USER = "<img src=x onerror=pwned()>"
MESSAGE = {
    "body": {TEXT: TEXT},
    "key": TEXT,
    "headers": {TEXT: TEXT},
    "content_type": "text/html; " + TEXT,
    "correlation_id": TEXT,
}
PAGES = [
    "/",
    "/queues",
    "/queues/q",
    "/queues/q/messages",
    "/queues/q/messages?state=dead",
    "/queues/q/messages?key=" + quote(TEXT),
    "/queues/q/messages/{id}",
    "/queues/q/messages/{id}?view=raw",
    "/queues/q/messages/{id}?view=tree",
    "/queues/q/messages/{id}?view=tree&at=" + quote(TEXT),
    "/queues/q/messages/{id}?as=cbor",
    "/queues/q/messages/{id}?view=" + quote(TEXT),
    "/queues/q/messages/{id}/edit",
    "/queues/q/messages/{id}/delete",
    "/queues/q/messages/{html}",
    "/queues/q/consumers",
    "/queues/q/publish",
    "/queues/q/connect",
    "/queues/q/connect?like=queue:q/{id}",
    "/queues/q/connect?template=1",
    "/streams/s/connect?like=stream:s/0-0",
    "/queues/q/settings",
    "/queues/q/pause",
    "/queues/q/purge",
    "/queues/q/delete",
    "/queues?prefix=" + quote(TEXT),
    "/streams",
    "/streams/s",
    "/streams/s/records",
    "/streams/s/records?from=" + quote(TEXT),
    "/streams/s/records/0/0",
    "/streams/s/records/0/0?view=raw",
    "/streams/s/records/0/0?view=tree",
    "/streams/s/records/0/1",
    "/streams/s/groups",
    "/streams/s/groups/g",
    "/streams/s/groups/g/seek",
    "/streams/s/groups/shared",
    "/streams/s/groups/shared/dead",
    "/streams/s/replay",
    "/topics",
    "/topics/t",
    "/topics/t/bindings",
    "/topics/t/publish",
    "/topics/t/connect",
    "/map",
    "/map?around=" + quote("publisher:" + TEXT),
    "/marks",
    "/jobs",
    "/jobs/1",
    "/dead",
    "/dead/causes",
    "/stuck",
    "/search?q=" + quote("state:dead,ready"),
    "/search?in=stream:s&q=" + quote("offset>=0"),
    "/jobs/plan?action=purge&all=1&in=queue:q",
    "/dead?reason=" + quote(TEXT),
    "/dead?queue=" + quote(TEXT),
    "/dead/redrive?all=1",
    "/connections",
    "/tokens",
    "/tokens/2",
    *("/users", "/access?who=token:2&verb=publish&to=queue:q", "/users?q=" + quote(TEXT)),
    *("/audit", "/audit?who=" + quote(TEXT), "/definitions"),
    "/new/token",
    "/tokens/2/revoke",
    "/sign-in?code=" + quote(TEXT),
    "/sign-in?next=" + quote("javascript:pwned()//" + TEXT),
]
REFUSED = {
    **dict.fromkeys(("/queues/" + quote(TEXT, safe=""), "/nothing?" + quote(TEXT)), 404),
    "/access?who=" + quote(TEXT): 400,
    "/audit?since=" + quote(TEXT): 400,
    "/users?after=" + quote(TEXT): 400,
    "/invitation/" + quote("<b onclick=pwned()>"): 401,
}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with Server(tmp_path_factory.mktemp("hostile") / "data", kind="daphne") as server:
        yield server.start()


def fill(broker: Server) -> dict[str, str]:
    """Hostile text wherever a client may put some; the ids of two messages and a token."""
    with broker.rest() as admin:
        grants = [{"pattern": "*", "verbs": ["admin"]}]
        token = admin.call("POST", "/tokens", {"name": TEXT, "grants": grants})["token"]
    with Rest(broker.url, token) as rest:
        rest.declare("q")
        html = MESSAGE | {"body_base64": b64encode(f"<html>{TEXT}</html>".encode()).decode()}
        del html["body"]
        first, second = (result["id"] for result in rest.publish("q", MESSAGE, html))
        [leased, failing] = rest.receive("q")
        rest.settle("q", dead=[{"receipt": leased["receipt"], "reason": TEXT}])
        rest.settle("q", nack=[{"receipt": failing["receipt"], "error": TEXT, "delay": 0}])
        rest.call("POST", "/queues/q/pause", {"reason": TEXT})
        records(rest)
        binding = {"pattern": "#", "to": "queue:q", "headers": {TEXT: TEXT}}
        rest.call("PUT", "/topics/t", {"bindings": [binding]})
        rest.call("POST", "/marks", {"text": TEXT[:200]})
        rest.call("POST", "/streams/s/replay", {"from": "earliest", "to": "queue:q", "filter": {"key": TEXT}})
    with sqlite3.connect(broker.data / "brokerweb.sqlite3") as store:
        store.execute("UPDATE auth_user SET username = ?", (USER,))
        store.execute(
            "INSERT INTO brokerweb_identity_messagetemplate (user_id, name, kind, destination, shared, fields, size, saved_at)"
            " SELECT id, ?, 'queue', 'q', 1, ?, 1, 0 FROM auth_user LIMIT 1",
            (TEXT, json.dumps({"body": TEXT, "kind": TEXT, "key": TEXT, "headers": TEXT, "content_type": TEXT})),
        )
    store.close()
    return {"id": first, "html": second, "token": token}


def records(rest: Rest) -> None:
    rest.call("PUT", "/streams/s")
    for group, kind in (("g", "partitioned"), ("shared", "shared")):
        rest.call("PUT", f"/streams/s/groups/{group}", {"kind": kind})
    rest.call("POST", "/streams/s/records", {"records": [MESSAGE, MESSAGE]})
    [taken] = rest.call("POST", "/streams/s/groups/shared/receive", {"max": 1})["messages"]
    rest.call("POST", "/streams/s/groups/shared/settle", {"dead": [{"receipt": taken["receipt"], "reason": TEXT}]})


def sign_in(page: Page) -> None:
    page.goto("/sign-in")
    page.get_by_label("User").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/")


@pytest.mark.timeout(900)  # some eighty pages, on a machine that has more to do
def test_nothing_that_clients_send_runs_on_any_page(broker: Server):
    ids = fill(broker)
    with (
        chromium() as browser,
        visiting(browser, broker.url) as visit,
        Socket.open(broker.url.replace("http", "ws") + "/ws", ids["token"]) as socket,
    ):
        ran: list[str] = []
        asked: list[str] = []
        seen = 0
        visit.page.expose_function("pwned", lambda: ran.append(visit.page.url))
        visit.page.on("request", lambda request: asked.append(request.url))
        socket.send("subscribe", stream="s", group="g")
        sign_in(visit.page)
        for place in [*PAGES, *REFUSED]:
            answer = visit.page.goto(place.format(**ids))
            assert answer is not None
            assert answer.status == REFUSED.get(place, 200), place
            seen += visit.page.content().count("pwned")
        refused = "the server responded with a status of 4"  # what Chromium itself says of such a page
        visit.wrong[:] = [what for what in visit.wrong if refused not in what]
        assert seen > 2 * len(PAGES), "the text is not on the pages"
        assert ran == []
        assert [url for url in asked if urlsplit(url).path.endswith(("/x", "/pwned"))] == []
