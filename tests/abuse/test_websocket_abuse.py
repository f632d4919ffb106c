"""WebSocket frames that no library sends: the close code each earns, on both servers."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from tests.abuse.wire import (
    BINARY,
    CLOSE,
    CONTINUATION,
    FIN,
    PING,
    PONG,
    TEXT,
    close_code,
    closed_with,
    exchange,
    frame,
    head,
    statuses,
    upgraded,
)
from tests.clients import Rest
from tests.server import Server

MIB = 1024 * 1024
PROTOCOL_ERROR, BAD_DATA, TOO_LARGE, TOO_MANY, UNAUTHENTICATED = 1002, 1007, 1009, 4008, 4001
PING_FRAME = json.dumps({"op": "ping"}).encode()


@dataclass
class Case:
    """What is sent, and the close codes that answer it; none where the socket must live on."""

    sent: bytes
    codes: tuple[int | None, ...] = ()  # None is a connection that just ends
    authorized: bool = True


def _fragments(count: int, size: int) -> bytes:
    """A message in many fragments: JSON padded with spaces."""
    filler = frame(b" " * size, CONTINUATION, first=0)
    return frame(b" ", TEXT, first=0) + filler * count + frame(PING_FRAME, CONTINUATION)


def _publish(body: bytes) -> bytes:
    return frame(b'{"op":"publish","id":1,"to":"queue:honest","messages":[{"body":' + body + b"}]}")


CASES = {
    "unmasked": Case(frame(PING_FRAME, masked=False), (PROTOCOL_ERROR,)),
    "a reserved bit": Case(frame(PING_FRAME, first=FIN | 0x40), (PROTOCOL_ERROR,)),
    "all reserved bits": Case(frame(PING_FRAME, first=FIN | 0x70), (PROTOCOL_ERROR,)),
    "an unknown opcode": Case(frame(b"", 3), (PROTOCOL_ERROR,)),
    "an unknown control opcode": Case(frame(b"", 11), (PROTOCOL_ERROR,)),
    "a control frame over 125 bytes": Case(frame(b"x" * 126, PING), (PROTOCOL_ERROR,)),
    "a control frame of 64 KiB": Case(frame(b"x" * 65_536, PING), (PROTOCOL_ERROR,)),
    "a control frame in fragments": Case(frame(b"x", PING, first=0), (PROTOCOL_ERROR,)),
    "a continuation of nothing": Case(frame(b"x", CONTINUATION), (PROTOCOL_ERROR,)),
    "a message inside a message": Case(frame(b"x", TEXT, first=0) + frame(b"y"), (PROTOCOL_ERROR,)),
    "invalid UTF-8": Case(frame(b'{"op":"\xff"}'), (BAD_DATA,)),
    "UTF-8 cut short": Case(frame(b"\xe2\x82"), (BAD_DATA,)),
    "a surrogate in UTF-8": Case(frame(b'{"op":"\xed\xa0\x80"}'), (BAD_DATA,)),
    "a close code that does not exist": Case(frame((1005).to_bytes(2, "big"), CLOSE), (PROTOCOL_ERROR, None)),
    "a close of one byte": Case(frame(b"\x03", CLOSE), (PROTOCOL_ERROR, None)),
    "a close with a bad reason": Case(frame(b"\x03\xe8\xff", CLOSE), (BAD_DATA, PROTOCOL_ERROR, None)),
    "a length of 2^63": Case(frame(b"", length=1 << 63), (PROTOCOL_ERROR, TOO_LARGE)),
    "a length of 1 GiB": Case(frame(b"x", length=1 << 30), (TOO_LARGE,)),
    "9 MiB in fragments": Case(_fragments(9, MIB), (TOO_LARGE,)),
    "ten binary frames": Case(frame(PING_FRAME, BINARY) * 10, (TOO_MANY,)),
    "ten empty frames": Case(frame(b"") * 10, (TOO_MANY,)),
    "ten frames of JSON 10^6 deep": Case(frame(b"[" * 700_000) * 10, (TOO_MANY,)),
    "ten frames of objects 10^5 deep": Case(frame(b'{"op":' * 100_000) * 10, (TOO_MANY,)),
    "ten bodies 10^5 deep": Case(_publish(b"[" * 100_000 + b"]" * 100_000) * 10, (TOO_MANY,)),
    "ten times NaN": Case(_publish(b"NaN") * 10, (TOO_MANY,)),
    "ten times Infinity": Case(_publish(b"[-Infinity]") * 10, (TOO_MANY,)),
    "bytes before auth": Case(frame(b"\0" * 100, BINARY), (UNAUTHENTICATED,), authorized=False),
    "deep JSON before auth": Case(frame(b"[" * 60_000), (UNAUTHENTICATED,), authorized=False),
    "1 MiB before auth": Case(frame(b" " * MIB), (TOO_LARGE,), authorized=False),
    "64 KiB in fragments before auth": Case(_fragments(65, 1024), (TOO_LARGE,), authorized=False),
    "invalid UTF-8 before auth": Case(frame(b"\xff"), (BAD_DATA,), authorized=False),
    # These are allowed, and change nothing
    "10,000 fragments": Case(_fragments(10_000, 10)),
    "empty fragments": Case(_fragments(1_000, 0)),
    "10,000 pings": Case(frame(b"x" * 100, PING) * 10_000),
    "10,000 pongs nobody asked for": Case(frame(b"", PONG) * 10_000),
    "a ping between fragments": Case(frame(b" ", TEXT, first=0) + frame(b"", PING) + frame(PING_FRAME, CONTINUATION)),
    "1e400": Case(_publish(b"1e400")),
    "a lone surrogate, escaped": Case(_publish(b'"\\ud800"')),
    "duplicate keys in a body": Case(_publish(b'{"a":1,"a":2}')),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_frames(broker: Server, operator: Rest, case: Case) -> None:
    with upgraded(broker, authorized=case.authorized) as connection:
        try:
            connection.sendall(case.sent)
            if not case.codes:
                connection.sendall(frame(b'{"op":"ping","id":"the last word"}'))
        except ConnectionError:
            pass  # closed in the middle of it
        if case.codes:
            assert closed_with(connection) in case.codes
        else:
            received = b""
            while b'"the last word"' not in received:
                received += connection.recv(1 << 20) or pytest.fail(f"closed: {received[-200:]!r}")
            assert close_code(received) is None
    operator.call("POST", "/queues/honest/purge", {})


def test_bytes_that_are_no_text_leave_nothing_in_the_log(broker: Server) -> None:
    """A stranger could fill the disk with them."""
    with upgraded(broker, authorized=False) as connection:
        connection.sendall(frame(b"\xff\xfe"))
        assert closed_with(connection) == BAD_DATA
    assert "UnicodeDecodeError" not in broker.log.read_text()


def test_compression_is_not_negotiated(broker: Server) -> None:
    """What is never inflated cannot be a bomb."""
    with upgraded(broker, extra=("Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",)) as connection:
        connection.sendall(frame(b"\x01\x02", first=FIN | 0x40))
        assert closed_with(connection) == PROTOCOL_ERROR


def test_1000_subscriptions_are_the_limit_of_a_connection(broker: Server, operator: Rest) -> None:
    with broker.socket() as socket:
        for _ in range(1010):
            socket.send("consume", queue="honest", prefetch=1)
        answers = [socket.receive() for _ in range(1010)]
        assert [answer.get("code") for answer in answers] == [None] * 1000 + ["conflict"] * 10
        assert socket.call("ping")["op"] == "pong"


@pytest.mark.parametrize("version", ["Sec-WebSocket-Version: 12", "Sec-WebSocket-Version: 0", "Sec-WebSocket-Version: x"])
def test_other_versions_of_the_protocol_are_refused(broker: Server, version: str) -> None:
    lines = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", version)
    assert statuses(exchange(broker, head(broker, "GET /ws HTTP/1.1", *lines)))[0] in (400, 403, 426)
