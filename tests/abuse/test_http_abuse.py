"""HTTP as nobody should send it, on both servers. What well-formed requests may do wrong is in tests/faces, too."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.abuse.wire import connected, exchange, head, rest_of, statuses
from tests.clients import Rest
from tests.server import TOKEN, Server

MIB = 1024 * 1024
PUBLISH = "POST /api/v1/queues/honest/messages HTTP/1.1"
LIST = "GET /api/v1/queues HTTP/1.1"
ONE = json.dumps({"messages": [{"body": "smuggled"}]}).encode()
SMUGGLED = (
    f"POST /api/v1/queues/honest/purge HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 2\r\n\r\n{{}}"
)

# name -> (request line, headers, what follows the head)
MALFORMED: dict[str, tuple[str, tuple[str, ...], bytes]] = {
    "no HTTP at all": ("hello", (), b""),
    "an unknown version": ("GET / HTTP/9.9", (), b""),
    "a NUL in the path": ("GET /api/\0 HTTP/1.1", (), b""),
    "a header without a colon": (LIST, ("nonsense",), b""),
    "a header name with a space": (LIST, ("a b: c",), b""),
    "a NUL in a header": (LIST, ("a: b\0c",), b""),
    "a head of 1 MiB": (LIST, ("a: " + "x" * MIB,), b""),
    "100,000 headers": (LIST, tuple(f"h{n}: v" for n in range(100_000)), b""),
    "a path of 100 KiB": ("GET /" + "x" * 100_000 + " HTTP/1.1", (), b""),
    "a negative length": (PUBLISH, ("Content-Length: -1",), ONE),
    "a length that is none": (PUBLISH, ("Content-Length: x",), ONE),
    "a length with a plus": (PUBLISH, (f"Content-Length: +{len(ONE)}",), ONE),
    "a length of 10^30": (PUBLISH, ("Content-Length: 1" + "0" * 30,), ONE),
    "two lengths": (PUBLISH, (f"Content-Length: {len(ONE)}", "Content-Length: 5"), ONE),
    "a length and chunks": (PUBLISH, ("Content-Length: 5", "Transfer-Encoding: chunked"), b"0\r\n\r\n" + SMUGGLED.encode()),
    "chunks and a length": (PUBLISH, ("Transfer-Encoding: chunked", "Content-Length: 5"), b"0\r\n\r\n" + SMUGGLED.encode()),
    "an unknown transfer encoding": (PUBLISH, ("Transfer-Encoding: gzip",), ONE),
    "chunked, but not last": (PUBLISH, ("Transfer-Encoding: chunked, identity",), b"0\r\n\r\n" + SMUGGLED.encode()),
    "chunked, misspelt": (PUBLISH, ("Transfer-Encoding: xchunked",), b"0\r\n\r\n" + SMUGGLED.encode()),
    "a chunk size that is none": (PUBLISH, ("Transfer-Encoding: chunked",), b"x\r\n"),
    "a negative chunk size": (PUBLISH, ("Transfer-Encoding: chunked",), b"-5\r\nhello\r\n0\r\n\r\n"),
    "a chunk longer than it says": (PUBLISH, ("Transfer-Encoding: chunked",), b"2\r\nhello\r\n0\r\n\r\n"),
}


@pytest.mark.parametrize("case", MALFORMED.values(), ids=MALFORMED)
def test_malformed_requests_are_refused_or_cut_and_smuggle_nothing(
    broker: Server, operator: Rest, case: tuple[str, tuple[str, ...], bytes]
) -> None:
    line, headers, body = case
    operator.publish("honest", {"body": "untouched"})
    answer = exchange(broker, head(broker, line, "Connection: close", *headers) + body)
    assert all(400 <= status < 500 or status == 501 for status in statuses(answer)), answer[:300]
    assert len(statuses(answer)) <= 1
    assert [message["body"] for message in operator.receive("honest", ack="none", max=10)] == ["untouched"]


@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without"])
def test_chunks_without_end_are_refused_at_the_limit(broker: Server, known: bool) -> None:
    chunk = b"10000\r\n" + b" " * 65_536 + b"\r\n"
    with connected(broker) as connection:
        connection.sendall(head(broker, PUBLISH, "Transfer-Encoding: chunked", authorized=known))
        for _ in range(1000):  # read away, so that the answer is not lost
            connection.sendall(chunk)
        assert statuses(rest_of(connection)) == [413]


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "PROPFIND", "X" * 1000])
def test_strange_methods(broker: Server, method: str) -> None:
    answer = exchange(broker, head(broker, f"{method} /api/v1/queues HTTP/1.1", "Connection: close", "X-Canary: canary-7f"))
    assert all(status in (400, 405, 501) for status in statuses(answer))
    assert b"canary-7f" not in answer  # TRACE would tell


def test_head_and_options_say_no_more_than_they_should(broker: Server) -> None:
    with httpx.Client(base_url=broker.url) as client:
        for path in ("/api/v1/queues", "/api/v1/queues/honest", "/metrics"):
            assert client.head(path).status_code == 401
        assert client.options("/api/v1/queues").status_code in (204, 401)
        for method in ("HEAD", "OPTIONS"):
            answer = client.request(
                method, "/api/v1/queues/honest", headers={"Authorization": f"Bearer {TOKEN}", "Origin": "https://evil.example"}
            )
            assert answer.status_code < 500
            assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "evil.example:80@127.0.0.1", "", "[::1", "a" * 5000, "127.0.0.1, evil.example"],
)
def test_a_foreign_host_is_nobodys(broker: Server, host: str) -> None:
    for path in ("/", "/sign-in", "/api/v1/queues"):
        answer = exchange(
            broker, head(broker, f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", "X-Forwarded-Host: evil.example")
        )
        assert all(status == 400 for status in statuses(answer)), answer[:300]
        assert b"evil.example/" not in answer.split(b"\r\n\r\n")[0]  # no redirect to it


@pytest.mark.parametrize(
    "path",
    [
        "/static/../manage.py",
        "/static/%2e%2e/%2e%2e/manage.py",
        "/static/..%2f..%2fdata/secret_key",
        "/static//etc/passwd",
        "/..//..//etc/passwd",
        "/static/brokerweb_console/..%5c..%5cmanage.py",
    ],
)
def test_files_are_not_served(broker: Server, path: str) -> None:
    answer = exchange(broker, head(broker, f"GET {path} HTTP/1.1", "Connection: close", authorized=False))
    assert all(status in (301, 302, 400, 401, 403, 404) for status in statuses(answer))
    assert b"root:" not in answer
    assert b"DJANGO_SETTINGS_MODULE" not in answer


@pytest.mark.parametrize(
    "wrong",
    ["x", "x" * 511, "x" * 513, "x" * 60_000, "'; DROP TABLE--", "\u00e9\u00ff", "null", TOKEN[:-1], TOKEN + "x", TOKEN.upper()],
)
def test_wrong_tokens(broker: Server, wrong: str) -> None:
    requests = ("GET /api/v1/queues", "POST /api/v1/queues/honest/receive")
    for request in requests:
        answer = exchange(
            broker,
            head(
                broker,
                f"{request} HTTP/1.1",
                f"Authorization: Bearer {wrong}",
                "Content-Length: 0",
                "Connection: close",
                authorized=False,
            ),
        )
        assert statuses(answer) in ([401], [400], [431]), answer[:300]


def test_a_token_in_the_address_is_refused_and_never_logged(broker: Server) -> None:
    for name in ("token", "access_token", "api_key", "authorization"):
        for path in ("/api/v1/queues", "/metrics", "/"):
            answer = httpx.get(f"{broker.url}{path}?{name}={TOKEN}", follow_redirects=False)
            assert answer.status_code in (302, 401)
            assert TOKEN not in answer.text
    assert TOKEN not in broker.log.read_text()


NUMBERS = ["1000000000", "-1", "0", "1e3", "0x10", " 5", "٣", "9" * 400, "NaN", "5; DROP TABLE brokerweb_queues_queue"]


def test_numbers_that_are_none(broker: Server, operator: Rest) -> None:
    for limit in NUMBERS:
        for path in ("/queues", "/queues/honest/messages", "/tokens", "/connections"):
            answer = operator.http.get(path, params={"limit": limit})
            assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), (path, limit)


BODIES = {
    "NaN": b'{"max":NaN}',
    "Infinity": b'{"wait":Infinity}',
    "1e400": b'{"wait":1e400}',
    "a huge integer": b'{"max":' + b"9" * 5000 + b"}",
    "duplicate keys": b'{"max":1,"max":"x"}',
    "a lone surrogate": b'{"ack":"\\ud800"}',
    "invalid UTF-8": b'{"ack":"\xff"}',
    "UTF-16": '{"max":1}'.encode("utf-16"),
    "a BOM": b'\xef\xbb\xbf{"max":1}',
    "a trailing comma": b'{"max":1,}',
    "two documents": b"{}{}",
    "a comment": b"{/**/}",
    "a list": b"[]",
    "10^5 keys": b"{" + b",".join(b'"k%d":1' % n for n in range(100_000)) + b"}",
    "gzip": b"\x1f\x8b\x08\x00" + b"\0" * 50,
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_bodies_that_are_no_request(broker: Server, operator: Rest, body: bytes) -> None:
    for path in ("/queues/honest/messages", "/queues/honest/receive", "/queues/honest/settle", "/queues/honest/pause", "/tokens"):
        answer = operator.http.post(path, content=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid"), path
