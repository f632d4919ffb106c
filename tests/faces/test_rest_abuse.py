"""Requests that mean no good, on either server: refused, and an honest client goes on working."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.abuse.wire import connected, exchange, head, rest_of, statuses
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import TOKEN, Server

MIB = 1024 * 1024
AUTHORIZED = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def honest(either: Server) -> Generator[Rest]:
    """A queue's honest user, whose work must go on after whatever the test did."""
    with either.rest() as client:
        client.declare("honest")
        yield client
        client.publish("honest", {"body": "still here"})
        (got,) = client.receive("honest")
        assert client.settle("honest", ack=[got["receipt"]])[0]["status"] == "ok"


def test_20_mb_before_authentication_are_413(either: Server, honest: Rest) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in ("/api/v1/queues/honest/messages", "/api/v1/queues/honest"):
            answer = _posted(either, path, b"x" * 20 * MIB, headers)
            assert answer in (401, 413), (headers, path)


def test_100_kib_before_authentication_are_413(either: Server, honest: Rest) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in ("/api/v1/queues/honest/messages", "/api/v1/queues/honest/pause"):
            assert _posted(either, path, b"x" * 100_000, headers) == 413, (headers, path)
            assert _posted(either, path, b"x" * 60_000, headers) == 401, (headers, path)


def test_more_than_8_mib_are_413_for_everybody(either: Server, honest: Rest) -> None:
    for path in ("/api/v1/queues/honest/messages", "/api/v1/queues/honest/raw", "/api/v1/queues/honest/pause"):
        assert _posted(either, path, b" " * (8 * MIB + 1), AUTHORIZED) == 413, path
        assert _posted(either, path, _chunks(9), AUTHORIZED) == 413, path


def test_who_is_refused_and_sends_on_for_seconds_gets_to_see_the_answer(either: Server, honest: Rest) -> None:
    began, line = time.monotonic(), "POST /api/v1/queues/honest/messages HTTP/1.1"
    asked = {
        "unknown": (head(either, line, "Content-Length: 100000000", authorized=False), (401, 413)),
        "too large": (head(either, line, "Content-Length: 100000000"), (413,)),
        "no chunk": (head(either, line, "Transfer-Encoding: chunked") + b"no size\r\n", (400,)),
    }
    with ExitStack() as opened:
        sent = {name: opened.enter_context(connected(either)) for name in asked}
        for name, connection in sent.items():
            connection.sendall(asked[name][0])

        def sent_on() -> bool:
            for connection in sent.values():
                connection.sendall(b" " * 65_536)
            return time.monotonic() - began > 4

        eventually(sent_on, interval=0.1, why="longer than an answered client may be silent")
        for name, connection in sent.items():
            (status,) = statuses(rest_of(connection))
            assert status in asked[name][1], name


def test_just_under_8_mib_are_a_request(either: Server, honest: Rest) -> None:
    honest.declare("large", max_body_bytes=5 * MIB)
    body = json.dumps({"messages": [{"body": "x" * (4 * MIB - 100)}] * 2}).encode()
    assert len(body) <= 8 * MIB
    assert _posted(either, "/api/v1/queues/large/messages", body, AUTHORIZED) == 201
    honest.call("DELETE", "/queues/large")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/../v1/queues",
        "/api/v1/queues/..%2f..%2fetc",
        "/api/v1/queues/..",
        "/api/v1/queues/\\..\\x",
        "/api/v1//queues",
        "/api",
        "/api/v2/queues",
        "/api/v1/queues/honest/messages/",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_paths_that_lead_nowhere(either: Server, honest: Rest, path: str, method: str) -> None:
    assert _raw(either, f"{method} {path} HTTP/1.1", "Content-Length: 0") in ((400, 404) if method == "GET" else (400, 404, 405))


def test_a_path_beside_the_api_is_the_consoles_and_says_nothing_to_strangers(either: Server, honest: Rest) -> None:
    for method in ("GET", "POST"):
        assert _raw(either, f"{method} //api/v1/queues HTTP/1.1", "Content-Length: 0") == 302  # to the sign-in page


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE"])
def test_methods_are_not_overridden(either: Server, honest: Rest, header: str) -> None:
    assert _raw(either, "GET /api/v1/queues/honest HTTP/1.1", header) == 200
    assert _raw(either, "POST /api/v1/queues/honest HTTP/1.1", header + "\r\nContent-Length: 0") == 405


def test_a_foreign_host_is_a_problem_not_a_page(either: Server, honest: Rest) -> None:
    answer = httpx.get(f"{either.url}/api/v1/queues", headers=AUTHORIZED | {"Host": "evil.example"})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == [""]


def test_an_error_says_no_more_than_a_reader_needs(either: Server, honest: Rest) -> None:
    for body in ({"k" * 1_000_000: 1}, {f"k{n}": 1 for n in range(10_000)}):
        answer = httpx.put(f"{either.url}/api/v1/queues/honest", json=body, headers=AUTHORIZED)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
        assert len(answer.content) < 20_000


def test_many_keys_and_deep_json_are_answered_quickly(either: Server, honest: Rest) -> None:
    keys = b"{%s}" % b",".join(b'"k%d":1' % n for n in range(500_000))
    for path in ("/api/v1/queues/honest/messages", "/api/v1/queues/honest/pause", "/api/v1/tokens"):
        for body in (keys, b"[" * 1_000_000, b'{"a":' * 1_000_000, b'{"messages":[{"body":' + keys + b',"x":1}]}'):
            assert _posted(either, path, body, AUTHORIZED) == 400, path


def _chunks(mebibytes: int) -> Iterator[bytes]:
    for _ in range(mebibytes):
        yield b" " * MIB


def _posted(server: Server, path: str, body: bytes | Iterator[bytes], headers: dict[str, str]) -> int:
    """The status of a POST; who is refused before all is sent may send the rest, and gets to see it."""
    return httpx.post(server.url + path, content=body, headers=headers, timeout=30).status_code


def _raw(server: Server, line: str, header: str) -> int:
    """The status of a request written by hand."""
    (status,) = statuses(exchange(server, head(server, line, header, "Connection: close")))
    return status
