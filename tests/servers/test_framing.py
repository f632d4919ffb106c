"""Raw requests, right and wrong by RFC 9110 and 9112: both servers give each the same answer."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.server import TOKEN, Server

LIST = "GET /api/v1/queues HTTP/1.1"
HOT = "POST /api/v1/queues/orders/receive HTTP/1.1"
BODY = b'{"max":1}'
LENGTH = "Content-Length: 9"
CHUNKED = "Transfer-Encoding: chunked"
CHUNKS = b"9\r\n" + BODY + b"\r\n0\r\n\r\n"
LOCAL = "Host: 127.0.0.1"
SOCKET = "GET /ws HTTP/1.1"
HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
HEALTHY = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def ask(line: str = LIST, *headers: str, host: str = LOCAL, body: bytes = b"") -> bytes:
    """A request with a token; a host of "" is none."""
    lines = [line, *([host] if host else []), f"Authorization: Bearer {TOKEN}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def hot(*headers: str, body: bytes = BODY, host: str = LOCAL) -> bytes:
    return ask(HOT, *headers, host=host, body=body)


def chunks(body: bytes) -> bytes:
    return hot(CHUNKED, body=body)


def handshake(*changes: tuple[str, str], add: str = "", line: str = SOCKET, host: str = LOCAL, body: bytes = b"") -> bytes:
    """A WebSocket's, with some texts replaced."""
    text = "\n".join(HANDSHAKE)
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return ask(line, *text.split("\n"), *([add] if add else []), host=host, body=body)


def sized(size: int) -> bytes:
    """A request whose head has so many bytes."""
    return ask(LIST, "X: " + "a" * (size - len(ask(LIST, "X: "))))


def with_fields(number: int) -> bytes:
    return ask(LIST, *(f"X{n}: a" for n in range(number - 2)))


RIGHT = {
    "a list": ask(),
    "a hot call": hot(LENGTH),
    "chunks": chunks(CHUNKS),
    "chunks in upper case": hot("TRANSFER-ENCODING: CHUNKED", body=CHUNKS),
    "chunks with extensions": chunks(b'9;a;b=c;d="e f\\"g"\r\n' + BODY + b"\r\n0;x\r\n\r\n"),
    "chunks with trailers": chunks(b"9\r\n" + BODY + b"\r\n0\r\nX: y\r\nHost: evil.example\r\n\r\n"),
    "many small chunks": chunks(b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"00\r\n\r\n"),
    "white space around values": hot("Content-Length: \t 9 \t", host="Host: \t127.0.0.1\t "),
    "no white space": ask(host="Host:127.0.0.1"),
    "a length with zeros": hot("Content-Length: 009"),
    "a length of 0": ask(LIST, "Content-Length: 0"),
    "a host with a port": ask(host="Host: 127.0.0.1:65535"),
    "a host that is IPv6": ask(host="Host: [::1]:80"),
    "a host in upper case": ask(host="HOST: LOCALHOST"),
    "a host with a dot at its end": ask(host="Host: localhost."),
    "HTTP/1.0": ask("GET /api/v1/queues HTTP/1.0"),
    "HTTP/1.0 without a host": ask("GET /api/v1/queues HTTP/1.0", host=""),
    "HTTP/1.0 without a host, hot": ask(HOT.replace("1.1", "1.0"), LENGTH, host="", body=BODY),
    "a whole URL": ask("GET http://127.0.0.1/api/v1/queues HTTP/1.1"),
    "a whole URL, in upper case": ask("GET HTTP://LOCALHOST:1/api/v1/queues HTTP/1.1"),
    "a whole URL counts, and not the host": hot(LENGTH, host="Host: evil.example").replace(b"/api", b"http://127.0.0.1/api", 1),
    "ends of lines before it": b"\r\n\r\n\r\n" + ask(),
    "names of every character": ask(LIST, "X!#$%&'*+-.^_`|~0: a"),
    "values of every character": ask(LIST, "X: a\tb \x80\xff~"),
    "an empty value": ask(LIST, "X:"),
    "the largest head": sized(65_536),
    "the most fields": with_fields(500),
    "a protocol that is not spoken": ask(LIST, "Connection: Upgrade", "Upgrade: h2c"),
    "an upgrade without its option": ask(LIST, "Upgrade: websocket"),
    "options in a list": ask(LIST, "Connection: close, Upgrade", "Upgrade: h2c"),
}

WRONG = {
    # The first line
    "no HTTP": b"hello\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/0.9": b"GET /api/v1/queues\r\n",
    "HTTP/0.9, by name": ask("GET /api/v1/queues HTTP/0.9"),
    "HTTP/1.2": ask("GET /api/v1/queues HTTP/1.2"),
    "HTTP/2.0": ask("GET /api/v1/queues HTTP/2.0"),
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/1.10": ask("GET /api/v1/queues HTTP/1.10"),
    "HTTP/1": ask("GET /api/v1/queues HTTP/1"),
    "http/1.1": ask("GET /api/v1/queues http/1.1"),
    "RTSP/1.0": ask("GET /api/v1/queues RTSP/1.0"),
    "a method in lower case": ask("get /api/v1/queues HTTP/1.1"),
    "a method of nobody": ask("FETCH /api/v1/queues HTTP/1.1"),
    "a method with a bracket": ask("G(T /api/v1/queues HTTP/1.1"),
    "a method that is not ASCII": ask("G\xc9T /api/v1/queues HTTP/1.1"),
    "a method of 1000 letters": ask("X" * 1000 + " /api/v1/queues HTTP/1.1"),
    "a tunnel": ask("CONNECT 127.0.0.1:80 HTTP/1.1"),
    "a tunnel to a path": ask("CONNECT /api/v1/queues HTTP/1.1"),
    "no target": ask("GET  HTTP/1.1"),
    "a relative target": ask("GET api/v1/queues HTTP/1.1"),
    "a query alone": ask("GET ?a=b HTTP/1.1"),
    "an asterisk": ask("OPTIONS * HTTP/1.1"),
    "a host as target": ask("GET 127.0.0.1:80 HTTP/1.1"),
    "a fragment": ask("GET /api/v1/queues#a HTTP/1.1"),
    "a space in the target": ask("GET /api/v1/queues a HTTP/1.1"),
    "a tab in the target": ask("GET /api/v1/queues\ta HTTP/1.1"),
    "a control in the target": ask("GET /api/\x01 HTTP/1.1"),
    "a NUL in the target": ask("GET /api/\0 HTTP/1.1"),
    "a DEL in the target": ask("GET /api/\x7f HTTP/1.1"),
    "UTF-8 in the target": ask("GET /api/\xc3\xa9 HTTP/1.1"),
    "a URL of another scheme": ask("GET ftp://127.0.0.1/api/v1/queues HTTP/1.1"),
    "a URL without a host": ask("GET http:///api/v1/queues HTTP/1.1"),
    "a URL with a user": ask("GET http://ada:secret@127.0.0.1/api/v1/queues HTTP/1.1"),
    "two spaces": ask("GET  /api/v1/queues HTTP/1.1"),
    "tabs for spaces": ask("GET\t/api/v1/queues\tHTTP/1.1"),
    "a space at the end": ask("GET /api/v1/queues HTTP/1.1 "),
    "a space at the beginning": ask(" GET /api/v1/queues HTTP/1.1"),
    "a bare LF before it": b"\n" + ask(),
    "a bare CR before it": b"\r" + ask(),
    # Host
    "no host": ask(host=""),
    "no host, hot": hot(LENGTH, host=""),
    "an empty host": ask(host="Host:"),
    "an empty host, hot": hot(LENGTH, host="Host:"),
    "a host twice": ask(LIST, LOCAL),
    "two hosts, hot": hot(LENGTH, "Host: evil.example"),
    "hosts in a list": hot(LENGTH, host="Host: 127.0.0.1, evil.example"),
    "a host with a user": hot(LENGTH, host="Host: ada@127.0.0.1"),
    "a host with a path": ask(host="Host: 127.0.0.1/a"),
    "a host with a space": ask(host="Host: 127.0.0.1 a"),
    "a host with half a bracket": ask(host="Host: [::1"),
    "a host that is not ASCII": ask(host="Host: b\xfccher.example"),
    "a host of 5000 letters": ask(host="Host: " + "a" * 5000),
    "a host whose port is none": ask(host="Host: 127.0.0.1:a"),
    "HTTP/1.0 with two hosts": ask("GET /api/v1/queues HTTP/1.0", LOCAL),
    # How long the body is
    "identity beside a length": hot("Transfer-Encoding: identity", LENGTH),
    "identity": hot("Transfer-Encoding: identity", body=b""),
    "chunked, then identity": hot("Transfer-Encoding: chunked, identity", body=CHUNKS),
    "chunked, then identity in another line": hot(CHUNKED, "Transfer-Encoding: identity", body=CHUNKS),
    "identity, then chunked in another line": hot("Transfer-Encoding: identity", CHUNKED, body=CHUNKS),
    "gzip, then chunked": hot("Transfer-Encoding: gzip, chunked", body=CHUNKS),
    "gzip": hot("Transfer-Encoding: gzip", body=CHUNKS),
    "chunked twice": hot("Transfer-Encoding: chunked, chunked", body=CHUNKS),
    "chunked in two lines": hot(CHUNKED, CHUNKED, body=CHUNKS),
    "chunked behind a comma": hot("Transfer-Encoding: ,chunked", body=CHUNKS),
    "chunked with a parameter": hot("Transfer-Encoding: chunked;q=1", body=CHUNKS),
    "chunked in quotes": hot('Transfer-Encoding: "chunked"', body=CHUNKS),
    "chunked, misspelt": hot("Transfer-Encoding: xchunked", body=CHUNKS),
    "chunked behind a vertical tab": hot("Transfer-Encoding: \x0bchunked", body=CHUNKS),
    "chunked before a tab": hot("Transfer-Encoding: chunked\t", body=CHUNKS),
    "an empty coding": hot("Transfer-Encoding:", body=CHUNKS),
    "chunked and a length": hot(CHUNKED, LENGTH, body=CHUNKS),
    "a length and chunked": hot(LENGTH, CHUNKED, body=CHUNKS),
    "HTTP/1.0 with chunks": ask(HOT.replace("1.1", "1.0"), CHUNKED, body=CHUNKS),
    "the same length twice": hot(LENGTH, LENGTH),
    "two lengths": hot(LENGTH, "Content-Length: 8"),
    "lengths in a list": hot("Content-Length: 9, 9"),
    "a length with a plus": hot("Content-Length: +9"),
    "a length with a minus": hot("Content-Length: -9"),
    "a length in hexadecimal": hot("Content-Length: 0x9"),
    "a length with an underscore": hot("Content-Length: 0_9"),
    "a length with a space": hot("Content-Length: 9 9"),
    "a length with a superscript": hot("Content-Length: \xb2"),
    "a length of 10^30": hot("Content-Length: 1" + "0" * 30),
    "an empty length": hot("Content-Length:"),
    # Lines
    "a header over two lines": ask(LIST, "X: a\r\n b"),
    "a header over two lines, by a tab": ask(LIST, "X: a\r\n\tb"),
    "a coding on a second line": hot("Transfer-Encoding:\r\n chunked", body=CHUNKS),
    "a host on a second line": ask(host="Host:\r\n 127.0.0.1"),
    "a second line before the first": ask(LIST + "\r\n X: y"),
    "bare LFs": ask().replace(b"\r\n", b"\n"),
    "a bare LF between headers": ask(LIST, "X: a\nY: b"),
    "a bare LF behind the first line": ask().replace(b"1.1\r\n", b"1.1\n"),
    "a bare LF at the end": ask()[:-2] + b"\n",
    "a bare CR in a value": ask(LIST, "X: a\rb"),
    "a bare CR in a name": ask(LIST, "X\rY: b"),
    "a bare CR at the end of a line": ask(LIST, "X: a\r"),
    "a space before the colon": ask(LIST, "X : a"),
    "a tab before the colon": ask(LIST, "X\t: a"),
    "a space behind Content-Length": hot("Content-Length : 9"),
    "a space behind Transfer-Encoding": hot("Transfer-Encoding : chunked", body=CHUNKS),
    "no colon": ask(LIST, "XY"),
    "no name": ask(LIST, ": a"),
    **{f"a name with {bad!a}": ask(LIST, f"X{bad}: a") for bad in '(),/;<=>?@[\\]{} "\0\x01\x7f\xe9'},
    **{f"a value with {bad!a}": ask(LIST, f"X: a{bad}b") for bad in "\0\x01\x08\x0b\x1b\x1f\x7f"},
    # Chunks
    "a chunk without a size": chunks(b"\r\n" + CHUNKS),
    "a chunk whose size is none": chunks(b"x\r\n" + CHUNKS),
    "a chunk with a minus": chunks(b"-9\r\n" + CHUNKS[3:]),
    "a chunk with a plus": chunks(b"+9\r\n" + CHUNKS[3:]),
    "a chunk with 0x": chunks(b"0x9\r\n" + CHUNKS[3:]),
    "a chunk with white space": chunks(b"9 \r\n" + CHUNKS[3:]),
    "a chunk behind white space": chunks(b" 9\r\n" + CHUNKS[3:]),
    "a chunk of 2^64": chunks(b"10000000000000000\r\n" + CHUNKS[3:]),
    "a chunk with an empty extension": chunks(b"9;\r\n" + CHUNKS[3:]),
    "a chunk with a control": chunks(b"9;a=\x01\r\n" + CHUNKS[3:]),
    "a chunk with a long extension": chunks(b"9;" + b"a" * 2000 + b"\r\n" + CHUNKS[3:]),
    "a chunk behind a bare LF": chunks(b"9\n" + CHUNKS[3:]),
    "a chunk with a bare LF in its extension": chunks(b"9;a\nb\r\n" + CHUNKS[3:]),
    "a chunk before a bare LF": chunks(b"9\r\n" + BODY + b"\n0\r\n\r\n"),
    "a chunk that is longer": chunks(b"8\r\n" + CHUNKS[3:]),
    "a chunk that is not ended": chunks(b"9\r\n" + BODY + b"0\r\n\r\n"),
    "a last chunk with bare LFs": chunks(b"9\r\n" + BODY + b"\r\n0\n\n"),
    "a trailer without a colon": chunks(CHUNKS[:-2] + b"X y\r\n\r\n"),
    "a trailer over two lines": chunks(CHUNKS[:-2] + b"X: y\r\n z\r\n\r\n"),
    "a trailer with a length": chunks(CHUNKS[:-2] + b"Content-Length: 5\r\n\r\n"),
    "a trailer with a coding": chunks(CHUNKS[:-2] + b"Transfer-Encoding: chunked\r\n\r\n"),
    # Handshakes
    "a handshake without a host": handshake(host=""),
    "a handshake with a body": handshake(add="Content-Length: 5", body=b"hello"),
    "a handshake with chunks": handshake(add=CHUNKED, body=CHUNKS),
    "a handshake by POST": handshake(line="POST /ws HTTP/1.1"),
    "a handshake without a key": handshake(("Key", "Kex")),
    "a handshake with two keys": handshake(add=HANDSHAKE[3]),
    "a handshake whose key is short": handshake(("dGhl", "")),
    "a handshake whose key is none": handshake(("dGhl", "<b>x")),
    "a handshake without a version": handshake(("Version", "Versiom")),
    "a handshake of an old version": handshake(("13", "8")),
    "a handshake of version 14": handshake(("13", "14")),
    "a handshake of an origin that is none": handshake(add="Origin: <b>"),
    "a handshake of two origins": handshake(add="Origin: http://a.example, http://b.example"),
    "a handshake with a protocol twice": handshake(add="Sec-WebSocket-Protocol: brokerweb.v1, brokerweb.v1"),
}

TOO_LARGE = {
    "a head of a byte more": sized(65_537),
    "a head of 300 KB": sized(300_000),
    "a head of 1 MB without an end": sized(1_000_000)[:-4],
    "a head of white space": ask(LIST, "X: " + " " * 70_000 + "a"),
    "a head of small fields": ask(LIST, *["X: a"] * 12_000),
    "a head of too many fields": with_fields(501),
    "a target of 70 KB": ask("GET /" + "x" * 70_000 + " HTTP/1.1"),
    "a first line without an end": b"GET /" + b"x" * 70_000,
    "a handshake with a large cookie": handshake(add="Cookie: " + "x" * 70_000),
}


@contextmanager
def connected(server: Server) -> Iterator[socket.socket]:
    with closing(socket.create_connection(("127.0.0.1", server.port), 15)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield connection


def answers(connection: socket.socket, number: int | None = None) -> list[tuple[int, bytes, bytes]]:
    """Status, head and body of ``number`` answers, or of all until the other side ends the connection."""
    received = b""
    found: list[tuple[int, bytes, bytes]] = []
    while number is None or len(found) < number:
        head, whole, rest = received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        if whole and length and len(rest) >= int(length[1]):
            found.append((int(head[9:12]), head, rest[: int(length[1])]))
            received = rest[int(length[1]) :]
        elif part := connection.recv(65_536):
            received += part
        else:
            break
    assert number is not None or received == b""
    return found


def send(connection: socket.socket, data: bytes, piece: int) -> None:
    """In pieces, as a network may cut it; a server that has had enough is not sent the rest."""
    try:
        for at in range(0, len(data), piece):
            connection.sendall(data[at : at + piece])
    except ConnectionError:
        pass


@pytest.mark.parametrize("piece", [1 << 20, 1], ids=["whole", "in pieces"])
@pytest.mark.parametrize("request_bytes", RIGHT.values(), ids=RIGHT)
def test_what_is_right_is_answered(server: Server, request_bytes: bytes, piece: int):
    goes_on = b"HTTP/1.0" not in request_bytes and b"close" not in request_bytes
    with connected(server) as connection:
        send(connection, request_bytes + HEALTHY, piece if len(request_bytes) < 2000 else 1 << 20)
        statuses = [status for status, *_ in answers(connection, 2 if goes_on else None)]
    assert statuses == ([200, 200] if goes_on else [200])


@pytest.mark.parametrize("piece", [1 << 20, 1], ids=["whole", "in pieces"])
@pytest.mark.parametrize("request_bytes", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_refused_and_ends_the_connection(server: Server, request_bytes: bytes, piece: int):
    refused(server, request_bytes + (HEALTHY if request_bytes.endswith(b"\n") else b""), piece, (400, "invalid"))


@pytest.mark.parametrize("piece", [1 << 20, 5000], ids=["whole", "in pieces"])
@pytest.mark.parametrize("request_bytes", TOO_LARGE.values(), ids=TOO_LARGE)
def test_a_head_that_is_too_large_is_told_so(server: Server, request_bytes: bytes, piece: int):
    refused(server, request_bytes, piece, (431, "head_too_large"))


def refused(server: Server, data: bytes, piece: int, how: tuple[int, str]) -> None:
    """One answer, then the end, and others are served."""
    with connected(server) as connection:
        send(connection, data, piece)
        ((status, head, body),) = answers(connection)
    problem = json.loads(body)
    assert (status, problem["code"]) == how
    assert problem["status"] == status
    assert re.search(rb"(?i)content-type: application/problem\+json", head)
    assert re.search(rb"(?i)connection: close", head)
    assert re.search(rb"(?i)x-content-type-options: nosniff", head)
    with connected(server) as honest:
        honest.sendall(hot(LENGTH))
        assert [status for status, *_ in answers(honest, 1)] == [200]


@pytest.mark.parametrize(
    "wrong", ["no host", "a bare LF before it", "a last chunk with bare LFs", "a method of nobody", "HTTP/0.9"]
)
@pytest.mark.parametrize("first", ["a list", "a hot call", "chunks", "many small chunks"])
def test_what_is_wrong_behind_a_request_waits_for_its_answer(server: Server, first: str, wrong: str):
    with connected(server) as connection:
        connection.sendall(RIGHT[first] + WRONG[wrong])
        assert [status for status, *_ in answers(connection)] == [200, 400]


def test_a_head_that_is_too_large_behind_chunks_is_refused_as_well(server: Server):
    with connected(server) as connection:
        connection.sendall(RIGHT["chunks"] + sized(65_536) + RIGHT["chunks"] + sized(65_537))
        assert [status for status, *_ in answers(connection)] == [200, 200, 200, 431]


@pytest.mark.parametrize("size", [1, 1000, 60_000])
def test_a_handshake_may_have_the_head_of_any_request(server: Server, size: int):
    with connected(server) as connection:
        connection.sendall(handshake(add="Cookie: " + "x" * size))
        assert connection.recv(12) == b"HTTP/1.1 101"


ECHOES = {
    "method": ask("<script>canary</script> /api/v1/queues HTTP/1.1"),
    "target": ask("GET <script>canary</script> HTTP/1.1"),
    "version": ask("GET / <script>canary</script>"),
    "host": ask(host="Host: <script>canary</script>"),
    "a name": ask(LIST, "<script>canary</script>: a"),
    "a value": ask(LIST, "X: <script>canary</script>\0"),
    "a length": hot("Content-Length: <script>canary</script>"),
    "a coding": hot("Transfer-Encoding: <script>canary</script>"),
    "a chunk": chunks(b"<script>canary</script>\r\n"),
    "a key": handshake(("dGhlIHNhbXBsZSBub25jZQ==", "<script>canary</script>1")),
    "a version": handshake(("13", "<script>canary</script>")),
    "an origin": handshake(add="Origin: <script>canary</script>"),
    "a protocol": handshake(add="Sec-WebSocket-Protocol: <script>canary</script>, <script>canary</script>"),
    "an option": handshake(("Connection: Upgrade", "Connection: Upgrade, <script>canary</script>"), ("dGhl", "")),
}


@pytest.mark.parametrize("request_bytes", ECHOES.values(), ids=ECHOES)
def test_a_refusal_repeats_nothing_of_the_request(server: Server, request_bytes: bytes):
    with connected(server) as connection:
        connection.sendall(request_bytes)
        ((status, head, body),) = answers(connection)
    assert status == 400
    assert b"canary" not in head + body


FOREIGN = "Host: evil.example"
FOREIGNERS = {
    "a list": ask(host=FOREIGN),
    "a hot call": hot(LENGTH, host=FOREIGN),
    "a live stream": ask("GET /api/v1/streams/nothing/live HTTP/1.1", host=FOREIGN),
    "a handshake": handshake(host=FOREIGN),
    "a whole URL": hot(LENGTH).replace(b"/api", b"http://evil.example/api", 1),
    "a name with ours in it": hot(LENGTH, host="Host: 127.0.0.1.evil.example"),
    "without a token": hot(LENGTH, host=FOREIGN).replace(TOKEN.encode(), b"wrong"),
}


@pytest.mark.parametrize("request_bytes", FOREIGNERS.values(), ids=FOREIGNERS)
def test_a_request_for_another_host_is_told_which_option_names_ours(server: Server, request_bytes: bytes):
    with connected(server) as connection:
        connection.sendall(request_bytes + HEALTHY.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    problem = json.loads(re.findall(rb"\{.*\}", answer)[0])
    assert (int(answer[9:12]), problem["code"]) == (400, "invalid")
    assert "BROKERWEB_PUBLIC_URL" in problem["detail"]
    assert b"evil" not in answer
    assert "evil.example" not in server.log.read_text()
