"""What one client sends in one go, over each server: its order, where it ends, and that what was sent before the end counts."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from tests.abuse.wire import BINARY, CLOSE, CONTINUATION, PING, closed_with, frame, upgraded
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server

TOO_MANY = 4008


@pytest.fixture(scope="module")
def rest(server: Server) -> Iterator[Rest]:
    with server.rest() as rest:
        yield rest


def said(op: str, **fields: Any) -> bytes:
    return json.dumps({"op": op, **fields}).encode()


def publish(queue: str, number: int, **fields: Any) -> bytes:
    return said("publish", to=f"queue:{queue}", messages=[{"body": number}], **fields)


def bodies(rest: Rest, queue: str) -> list[Any]:
    messages = sorted(rest.browse(queue), key=lambda message: int(message["id"]))
    return [message["body"] for message in messages]


def answers(connection: socket.socket, number: int) -> list[dict[str, Any]]:
    """So many text frames of a server."""
    received = b""
    found: list[dict[str, Any]] = []
    while len(found) < number:
        part = connection.recv(65_536)
        assert part, f"ended after {found}"
        received += part
        while len(received) >= 2:
            size, at = received[1], 2
            if size >= 126:
                at = 4 if size == 126 else 10
                size = int.from_bytes(received[2:at], "big")
            if len(received) < at + size:
                break
            if received[0] == 0x81:
                found.append(json.loads(received[at : at + size]))
            received = received[at + size :]
    return found


def test_commands_that_wait_are_overtaken_by_none(server: Server, rest: Rest):
    """Beginning a subscription reads the store, and so does auth; publishing in parts and pings stand between."""
    rest.declare("order")
    text = publish("order", 2, id=13)
    with upgraded(server) as connection:
        sent = [
            frame(publish("order", 0, id=10)),
            frame(said("consume", id=11, queue="order", prefetch=1)),
            frame(publish("order", 1, id=12)),
            frame(text[:9], first=0) + frame(b"?", PING) + frame(text[9:], CONTINUATION),
            frame(said("consume", id=14, queue="nothing")),
            frame(said("cancel", sub=11, release=True, id=15)),
            frame(publish("order", 3, id=16)),
            frame(said("auth", token="bw_wrong", id=17)),
            frame(said("ping", id=18)),
        ]
        connection.sendall(b"".join(sent))
        heard = [answer for answer in answers(connection, 10) if answer["op"] != "deliver"]
        assert sorted(answer["id"] for answer in heard) == list(range(10, 19))
        ids = [answer["id"] for answer in heard]
        begun, asked = ids.index(11), [ids.index(id) for id in (14, 17, 18)]
        assert begun < min(asked)
        assert asked == sorted(asked)
        assert [answer["id"] for answer in heard if answer["op"] == "error"] == [14, 17]
    eventually(lambda: rest.queue("order")["counts"]["ready"] == 4, why="all is back")
    assert bodies(rest, "order") == [0, 1, 2, 3]


def test_the_tenth_bad_frame_ends_what_follows(server: Server, rest: Rest):
    rest.declare("tenth")
    with upgraded(server) as connection:
        bad = [frame(b"{"), frame(b"x", BINARY)] * 5
        connection.sendall(
            b"".join([frame(publish("tenth", 0)), *bad[:9], frame(publish("tenth", 1)), *bad, frame(publish("tenth", 2))])
        )
        assert closed_with(connection) == TOO_MANY
    eventually(lambda: bodies(rest, "tenth") == [0, 1], why="what came before is stored, and nothing else")


@pytest.mark.parametrize("close", [frame(struct.pack(">H", 1000), CLOSE), b""], ids=["close", "end"])
def test_a_client_that_goes_at_once_has_sent_what_it_sent(server: Server, rest: Rest, close: bytes):
    queue = f"gone-{len(close)}"
    rest.declare(queue)
    with upgraded(server) as connection:
        connection.sendall(b"".join(frame(publish(queue, number)) for number in range(500)) + close)
    eventually(lambda: rest.queue(queue)["counts"]["ready"] == 500, why="all is stored")
    assert bodies(rest, queue) == list(range(500))


def test_what_is_wrong_ends_the_socket_behind_what_came_before_it(server: Server, rest: Rest):
    rest.declare("wrong")
    with upgraded(server) as connection:
        frames = b"".join(frame(publish("wrong", number)) for number in range(100))
        connection.sendall(frames + frame(b'"\xff"') + frame(publish("wrong", 100)))
        assert closed_with(connection) == 1007
    eventually(lambda: rest.queue("wrong")["counts"]["ready"] == 100, why="all before it is stored")
    assert bodies(rest, "wrong") == list(range(100))


def test_a_client_that_only_sends_is_heard_as_fast_as_it_can_be_served(server: Server, rest: Rest):
    """Far more than may wait unread, in one go, while its first command waits for the store."""
    rest.declare("flood")
    many = b"".join(frame(publish("flood", number)) for number in range(20_000))
    with upgraded(server, timeout=60) as connection:
        connection.sendall(frame(said("consume", id=1, queue="nothing")) + many + frame(said("ping", id=2)))
        assert [answer["id"] for answer in answers(connection, 2)] == [1, 2]
    eventually(lambda: rest.queue("flood")["counts"]["ready"] == 20_000, 30, why="all is stored")
