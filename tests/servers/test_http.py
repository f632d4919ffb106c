"""What is served without credentials, under which names, and with which headers."""

from __future__ import annotations

import contextlib
import http.client
import json
import re

import httpx
import pytest
from django.test import Client

from tests.server import TOKEN, Server

ANONYMOUS = {"/healthz": 200, "/readyz": 200, "/sign-in": 200, "/static/brokerweb_console/console.css": 200}
GUARDED = [
    "/",
    "/queues",
    "/metrics",
    "/api/v1/queues",
    "/api/v1/schema",
    "/api/v1/docs",
    "/api/v1/tokens",
    "/api/v1/connections",
]


@pytest.mark.parametrize(("path", "status"), ANONYMOUS.items())
def test_what_anyone_may_see(server: Server, path: str, status: int):
    assert httpx.get(server.url + path).status_code == status


@pytest.mark.parametrize("path", GUARDED)
def test_what_nobody_sees_without_credentials(server: Server, path: str):
    answer = httpx.get(server.url + path)
    assert answer.status_code in (302, 401)
    assert TOKEN not in answer.text


@pytest.mark.parametrize("body", [b'{"messages":[{"body":1}]}', b'{"messages":[{"body":"%s"}]}' % (b"x" * 300_000)])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_client_that_offers_http_2_is_answered_in_http_1(server: Server, body: bytes, chunked: bool):
    asks = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABkAAQAAP__"}
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {TOKEN}"} | asks, timeout=30) as client:
        for _ in range(2):
            answer = client.post("/api/v1/queues/orders/messages", content=iter([body]) if chunked else body)
            assert answer.status_code == 201, answer.text
            assert client.get("/api/v1/queues/orders").json()["name"] == "orders"


BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_a_browser_is_sent_to_sign_in_for_the_page_to_try_the_api_and_comes_back(server: Server):
    with httpx.Client(base_url=server.url, headers=BROWSER, follow_redirects=True) as browser:
        form = browser.get("/api/v1/docs")
        assert form.url.path == "/sign-in"
        fields = dict(re.findall(r'name="(csrfmiddlewaretoken|next)" value="([^"]*)"', form.text))
        assert fields["next"] == "/api/v1/docs"
        page = browser.post("/sign-in", data={**fields, "username": "admin", "password": "password-of-the-real-server-tests"})
        assert (page.status_code, page.url.path) == (200, "/api/v1/docs")
        assert "swagger" in page.text


@pytest.mark.parametrize("headers", [{}, {"Accept": "*/*"}, BROWSER | {"Authorization": "Bearer wrong"}])
def test_a_program_is_told_that_it_needs_a_token(server: Server, headers: dict[str, str]):
    answer = httpx.get(server.url + "/api/v1/docs", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


@pytest.mark.urls("brokerweb.faces.rest.urls")
def test_a_browser_is_told_where_there_is_no_console_to_sign_in():
    assert Client().get("/docs", headers=BROWSER).status_code == 401


def test_readiness_says_how_it_is(server: Server):
    answer = httpx.get(server.url + "/readyz").json()
    assert answer["status"] == "ok"
    assert set(answer["checks"].values()) == {"ok"}


def test_health_answers_to_any_name(server: Server):
    assert httpx.get(server.url + "/healthz", headers={"Host": "10.0.0.7"}).status_code == 200


def test_nothing_else_answers_to_a_foreign_name(server: Server):
    answer = httpx.get(server.url + "/sign-in", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "evil.example" not in answer.text
    assert "BROKERWEB_PUBLIC_URL" in answer.text
    refused = httpx.get(server.url + "/api/v1/queues", headers={"Host": "evil.example"}).json()
    assert refused["code"] == "invalid"
    assert "BROKERWEB_PUBLIC_URL" in refused["detail"]
    assert "evil.example" not in server.log.read_text(), "strangers would fill the log"


@pytest.mark.parametrize("root", [b"/api/v1", b"/elsewhere", b"caf\xc3\xa9"], ids=["a prefix", "another", "not ASCII"])
def test_no_client_moves_the_application_to_another_path(server: Server, root: bytes):
    claims = {b"Daphne-Root-Path": root, b"Authorization": b"Bearer " + TOKEN.encode()}
    assert httpx.get(server.url + "/api/v1/queues/orders", headers=claims).json()["name"] == "orders"
    assert httpx.get(server.url + "/queues", headers=claims).headers["location"].startswith("/sign-in")


@pytest.mark.parametrize("target", ["http://127.0.0.1/api/v1/queues/orders", "HTTP://127.0.0.1:1/api/v1/queues/orders"])
def test_a_target_may_be_a_whole_url(server: Server, target: str):
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=15)) as connection:
        connection.request("GET", target, headers={"Authorization": f"Bearer {TOKEN}"})
        assert json.loads(connection.getresponse().read())["name"] == "orders"


def test_a_messages_header_may_have_an_underscore(server: Server):
    with server.rest() as rest:
        rest.declare("underscored")
        rest.http.post("/queues/underscored/raw", content="x", headers={"Message-Header-Trace_Id": "7"}).raise_for_status()
        assert [message["headers"] for message in rest.receive("underscored", ack="none")] == [{"trace_id": "7"}]


def test_pages_carry_a_policy_without_inline_code(server: Server):
    headers = httpx.get(server.url + "/sign-in").headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "unsafe" not in policy
    assert headers["x-frame-options"] == "DENY"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("token", [TOKEN, "wrong", None])
@pytest.mark.parametrize(
    "path", ["/healthz", "/readyz", "/metrics", "/api/v1/nothing", "/api/v1/queues", "/api/v1/streams/nothing/live"]
)
def test_no_answer_of_the_programs_faces_is_kept_or_taken_for_something_else(server: Server, path: str, token: str | None):
    headers = httpx.get(server.url + path, headers={} if token is None else {"Authorization": f"Bearer {token}"}).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", ["/sign-in", "/api/v1/queues", "/static/brokerweb_console/console.css", "/healthz"])
def test_no_page_of_another_origin_may_read_answers(server: Server, path: str):
    headers = httpx.get(server.url + path, headers={"Origin": "https://evil.example"}).headers
    assert not [name for name in headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    ["/static/../manage.py", "/static/%2e%2e/manage.py", "/static/brokerweb_console/..%5c..%5cmanage.py", "/static//etc/passwd"],
)
def test_static_files_are_those_that_were_listed(server: Server, path: str):
    assert httpx.get(server.url + path).status_code in (302, 400, 404)


def test_a_sockets_other_path_is_refused(server: Server):
    answer = httpx.get(
        server.url + "/wss",
        headers={
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        },
    )
    assert answer.status_code == 403


def test_the_log_holds_no_credentials(server: Server):
    httpx.get(server.url + "/api/v1/nothing", headers={"Authorization": "Bearer canary-in-the-header"})
    httpx.get(server.url + "/sign-in?code=canary-in-the-query")
    log = server.log.read_text()
    assert "canary" not in log
    assert TOKEN not in log
