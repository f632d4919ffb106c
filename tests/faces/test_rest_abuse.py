"""Requests that mean no good, on either server: refused, and an honest client goes on working."""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterator

import httpx
import pytest

from tests.clients import Rest
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
    """The status of a POST; a server that refuses before it has read all may cut the connection after its answer."""
    for _ in range(2):
        try:
            return httpx.post(server.url + path, content=body, headers=headers, timeout=30).status_code
        except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
            if not isinstance(body, bytes):
                return 413
    return _early_answer(server, path, len(body) if isinstance(body, bytes) else 0, headers)


def _early_answer(server: Server, path: str, length: int, headers: dict[str, str]) -> int:
    """The answer to a request of which only the head is sent."""
    lines = "\r\n".join(f"{name}: {value}" for name, value in headers.items())
    return _raw(server, f"POST {path} HTTP/1.1", f"Content-Length: {length}\r\n{lines}".rstrip(), authorized=False)


def _raw(server: Server, line: str, headers: str, *, authorized: bool = True) -> int:
    """The status of a request written by hand."""
    token = f"Authorization: Bearer {TOKEN}\r\n" if authorized else ""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(f"{line}\r\nHost: 127.0.0.1:{server.port}\r\n{token}{headers}\r\nConnection: close\r\n\r\n".encode())
        answer = connection.recv(65_536)
    return int(answer.split(b" ", 2)[1])
