"""Under which names a broker answers: those of its public addresses, whichever road a request takes, and no others."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.server import TOKEN, Server

NAMED, FOREIGN = "broker:8000", "elsewhere:8000"  # as a service is called in a network of containers
ROADS: dict[str, tuple[str, str, Any]] = {
    "a page": ("GET", "/sign-in", None),
    "a static file": ("GET", "/static/brokerweb_console/console.css", None),
    "a list": ("GET", "/api/v1/queues", None),
    "a declaration": ("PUT", "/api/v1/queues/orders", {}),
    "a publish": ("POST", "/api/v1/queues/orders/messages", {"messages": [{"body": 1}]}),
    "a receive": ("POST", "/api/v1/queues/orders/receive", {"wait": 0}),
    "a live stream": ("GET", "/api/v1/streams/log/live", None),
    "an export": ("GET", "/api/v1/search/export?q=orders", None),
    "the schema": ("GET", "/api/v1/schema", None),
}


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    environment = {"BROKERWEB_PUBLIC_URL": f"http://localhost:8000,http://{NAMED}"}
    with Server(tmp_path_factory.mktemp("named") / "data", environment=environment) as server:
        with server.start().rest() as rest:
            rest.declare("orders")
            rest.call("PUT", "/streams/log", {})
        yield server


def status(server: Server, host: str, method: str, path: str, body: Any) -> int:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": host}
    with httpx.stream(method, server.url + path, headers=headers, json=body, timeout=30) as answer:
        return answer.status_code


@pytest.mark.parametrize("road", ROADS)
def test_every_road_knows_the_same_names(named: Server, road: str):
    assert status(named, NAMED, *ROADS[road]) < 300
    assert status(named, "broker", *ROADS[road]) < 300, "whichever port that is"
    assert status(named, FOREIGN, *ROADS[road]) == 400


def handshake(server: Server, host: str, **headers: str) -> None:
    """Raises InvalidStatus where it is refused."""
    sock = socket.create_connection(("127.0.0.1", server.port), 30)
    with connect(f"ws://{host}/ws", sock=sock, additional_headers=headers, proxy=None) as opened:
        opened.send('{"op": "ping", "id": 1}')
        answers = [json.loads(opened.recv(30))["op"] for _ in range(2)]
    assert answers == ["hello", "pong"]


def test_a_websocket_does_too(named: Server):
    token = {"Authorization": f"Bearer {TOKEN}"}
    handshake(named, NAMED, **token)
    with pytest.raises(InvalidStatus) as refused:
        handshake(named, FOREIGN, **token)
    assert refused.value.response.status_code == 400


def test_a_person_may_sign_in_under_the_second_name_and_their_page_opens_a_socket(named: Server):
    origin = f"http://{NAMED}"
    with httpx.Client(base_url=named.url, headers={"Host": NAMED, "Origin": origin}) as browser:
        [secret] = re.findall(r'name="csrfmiddlewaretoken" value="([^"]*)"', browser.get("/sign-in").text)[:1]
        form = {"csrfmiddlewaretoken": secret, "username": "admin", "password": "password-of-the-real-server-tests"}
        assert browser.post("/sign-in", data=form).status_code == 302
        assert browser.get("/queues").status_code == 200
        cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    handshake(named, NAMED, Cookie=cookies, Origin=origin)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_health_and_figures_are_asked_for_by_any_name(named: Server, path: str):
    assert status(named, FOREIGN, "GET", path, None) == 200
