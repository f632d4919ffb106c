"""The limits of CONTRACT.md's common rules, the same under both servers."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.server import TOKEN, Server

MIB = 1 << 20
GOOD = {"Authorization": f"Bearer {TOKEN}"}
BAD = {"Authorization": "Bearer not-a-token-of-anybody"}
PUBLISH, CONSOLE = "/api/v1/queues/orders/messages", "/sign-in"


def pieces(size: int) -> Iterator[bytes]:
    """A body of unknown length: sent chunked."""
    for _ in range(size // 10_000):
        yield b" " * 10_000


def post(server: Server, path: str, body: bytes | Iterator[bytes], headers: dict[str, str] | None = None) -> httpx.Response:
    return httpx.post(server.url + path, content=body, headers=headers or {}, timeout=30)


@pytest.mark.parametrize("path", [PUBLISH, CONSOLE, "/api/v1/queues"])
@pytest.mark.parametrize("headers", [{}, BAD, {"Cookie": "brokerweb_session=nobody"}], ids=["nobody", "bad token", "bad session"])
@pytest.mark.parametrize("chunked", [False, True])
def test_strangers_send_64_kib_at_most(server: Server, path: str, headers: dict[str, str], chunked: bool):
    answer = post(server, path, pieces(MIB) if chunked else b" " * 100_000, headers)
    assert answer.headers["content-type"] == "application/problem+json"
    # A wrong token may also be told so before anything was read; how much would have come is not known then.
    assert answer.status_code == 413 or (answer.status_code == 401 and chunked and headers == BAD)


def test_a_stranger_who_sends_without_end_is_answered(server: Server):
    assert post(server, CONSOLE, pieces(100 * MIB)).status_code == 413


@pytest.mark.parametrize("chunked", [False, True])
def test_a_known_caller_sends_8_mib_at_most(server: Server, chunked: bool):
    answer = post(server, PUBLISH, pieces(9 * MIB) if chunked else b" " * (8 * MIB + 1), GOOD)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_a_known_caller_may_send_8_mib(server: Server):
    message = {"body": "x" * 1_000_000}
    body = json.dumps({"messages": [message] * 8}).encode()
    answer = post(server, PUBLISH, body + b" " * (8 * MIB - len(body)), GOOD)
    assert answer.status_code == 201, answer.text


def test_a_connection_goes_on_after_a_refusal(server: Server):
    with httpx.Client(base_url=server.url, timeout=30) as client:
        assert client.post(PUBLISH, content=b" " * 100_000).status_code == 413
        assert client.get("/healthz").status_code == 200


def send_and_listen(ws: ClientConnection, message: str | list[str]) -> None:
    ws.send(message)
    while True:
        ws.recv(10)


@pytest.mark.parametrize("fragments", [1, 100])
def test_a_message_over_the_limit_closes_with_1009(server: Server, fragments: int):
    with connect(
        server.url.replace("http", "ws") + "/ws", additional_headers=GOOD, max_size=None, compression=None, proxy=None
    ) as ws:
        ws.recv(10)
        piece = " " * ((8 * MIB) // fragments + 1)
        with pytest.raises(ConnectionClosed) as closed:
            send_and_listen(ws, [piece] * fragments if fragments > 1 else piece)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def seconds_until_cut(server: Server, first: bytes, then: bytes) -> float:
    """How long a client lasts that sends ``first`` and then ``then`` twice a second."""
    start = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), 30) as slow:
        slow.settimeout(0.5)
        try:
            slow.sendall(first)
            while time.monotonic() - start < 30:
                try:
                    if not slow.recv(4096):
                        break
                except TimeoutError:
                    slow.sendall(then)
        except OSError:
            pass  # cut with a reset
    return time.monotonic() - start


@pytest.mark.long
def test_clients_that_dawdle_are_cut_and_others_do_not_wait(server: Server):
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
    slow = [(b"", b""), (b"GET /", b"a"), (head + b"X: ", b"a"), (head + b"Content-Length: 60000\r\n\r\n", b"a")]
    slow += [(head + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n")] * 20
    slow += [(head + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"x: y\r\n")]
    slow += [(head + b"Transfer-Encoding: chunked\r\n\r\n1;", b"a")]
    with ThreadPoolExecutor(len(slow)) as pool:
        cut = [pool.submit(seconds_until_cut, server, *how) for how in slow]
        start = time.monotonic()
        assert httpx.get(server.url + "/healthz", timeout=30).status_code == 200
        assert time.monotonic() - start < 9  # those are cut after ten
        lasted = [each.result() for each in cut]
    assert min(lasted) > 5
    assert max(lasted) < 28


@pytest.mark.long
def test_line_ends_do_not_keep_a_connection(server: Server):
    answered = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    refused = f"POST {PUBLISH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BAD['Authorization']}\r\nContent-Length: 4\r\n\r\n"
    firsts = [b"\r\n", answered, refused.encode()]
    with ThreadPoolExecutor(len(firsts)) as pool:
        lasted = list(pool.map(lambda first: seconds_until_cut(server, first, b"\r\n"), firsts))
    assert max(lasted) < 28


@pytest.mark.long
def test_a_slow_head_after_a_refusal_is_cut_too(server: Server):
    with socket.create_connection(("127.0.0.1", server.port), 30) as raw:
        raw.sendall(f"POST {PUBLISH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {BAD['Authorization']}\r\n".encode())
        raw.sendall(b"Content-Length: 1\r\n\r\n")
        raw.settimeout(1)
        with suppress(TimeoutError):  # one of the servers answers before it has the body
            raw.recv(4096)
        raw.sendall(b"a")
        raw.sendall(b"GET / HTTP/1.1\r\nX: ")
        raw.settimeout(30)
        with suppress(ConnectionResetError):
            while raw.recv(4096):
                pass


def test_what_follows_a_body_is_no_header(server: Server):
    head = f"POST /api/v1/queues/orders/raw HTTP/1.1\r\nHost: localhost\r\nAuthorization: {GOOD['Authorization']}\r\n"
    chunks = b"1\r\n7\r\n0\r\nMessage-Key: smuggled\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), 30) as raw, server.rest() as rest:
        rest.declare("trailed")
        raw.sendall((head.replace("orders", "trailed") + "Transfer-Encoding: chunked\r\n\r\n").encode())
        raw.sendall(chunks)
        assert b" 201 " in raw.recv(4096)
        assert [message["key"] for message in rest.receive("trailed", ack="none")] == [None]


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000,
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
    ids=["length and chunked", "two lengths", "negative length", "endless head", "TLS hello"],
)
def test_what_is_no_request_is_refused_and_the_connection_ends(server: Server, request_bytes: bytes):
    with socket.create_connection(("127.0.0.1", server.port), 15) as raw:
        raw.sendall(request_bytes)
        answer = b""
        try:
            while part := raw.recv(4096):
                answer += part
        except ConnectionResetError:
            pass  # an end, too
    assert b" 200 " not in answer
    assert answer.count(b"HTTP/1.1 ") <= 1


def last_words(server: Server, request_bytes: bytes) -> tuple[bytes, dict[str, Any]]:
    """The answer to what is no request: its head and its problem."""
    with socket.create_connection(("127.0.0.1", server.port), 15) as raw:
        raw.sendall(request_bytes)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, json.loads(body)


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    ],
)
def test_what_cannot_be_read_is_a_problem_too(server: Server, request_bytes: bytes):
    head, problem = last_words(server, request_bytes)
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"content-type: application/problem+json" in head.lower()
    assert (problem["code"], problem["status"], problem["retryable"]) == ("invalid", 400, False)
    assert problem["errors"] == [{"pointer": "", "detail": problem["detail"]}]
