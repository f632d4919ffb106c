"""Frames: what is answered how, what is too much, and how a socket ends; the same on both servers."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from socket import SHUT_WR
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed

from tests.abuse import wire
from tests.clients import Refused, Rest, Socket
from tests.eventually import eventually
from tests.faces.sockets import deliveries, error, frames_until, stranger
from tests.server import Server

KIB, MIB = 1024, 1024 * 1024
BAD: list[str | bytes] = [
    "no JSON",
    "[]",
    "7",
    "null",
    "{}",
    '{"op":"surprise"}',
    '{"op":"consume","id":1}',
    '{"op":"ping","x":1}',
    '{"op":1}',
    b"\x01",
]


@pytest.fixture
def operator(either: Server) -> Iterator[Rest]:
    with either.rest() as rest:
        yield rest


@pytest.fixture
def socket(either: Server) -> Iterator[Socket]:
    with either.socket() as socket:
        yield socket


def said(socket: Socket, text: str | bytes) -> dict[str, Any]:
    """The next frame after saying ``text``."""
    socket.connection.send(text)
    return socket.receive()


def roomy(operator: Rest, name: str) -> str:
    operator.declare(name, max_body_bytes=5 * MIB)
    return name


# Half an emoji, as a text has it that JavaScript has cut


def test_errors_with_half_an_emoji_are_taken_as_often_as_they_come(operator: Rest, socket: Socket):
    operator.declare("cut", max_failures=None)
    operator.publish("cut", *({"body": n} for n in range(20)))
    socket.consume("cut", prefetch=20)
    for message in deliveries(socket, 20):
        socket.call("nack", items=[{"receipt": message["receipt"], "delay": 3600, "error": "could not post \ud83d"}])
    errors = {message["last_error"] for message in operator.browse("cut")}
    assert errors == {"could not post \ufffd"}


def test_a_receipt_with_half_an_emoji_is_lost_and_leaves_the_others(operator: Rest, socket: Socket):
    operator.declare("halves")
    operator.publish("halves", {"body": 1})
    socket.consume("halves")
    (message,) = deliveries(socket, 1)
    answer = error(socket, "ack", receipts=["\ud83d", message["receipt"]])
    assert answer["code"] == "lease_lost"
    assert [fate["status"] for fate in answer["results"]] == ["lease_lost", "ok"]
    assert sum(operator.queue("halves")["counts"].values()) == 0


def test_half_an_emoji_elsewhere_is_refused_with_its_place(operator: Rest, socket: Socket):
    operator.declare("whole")
    messages = [{"body": 1}, {"body": 2, "headers": {"note": "\ude00"}}]
    refused = error(socket, "publish", to="queue:whole", messages=messages)
    fault = {"pointer": "/messages/1/headers/note", "detail": "half a surrogate pair cannot be stored"}
    assert (refused["code"], refused["errors"]) == ("invalid", [fault])
    assert sum(operator.queue("whole")["counts"].values()) == 0
    for id in ("\0", "\ud83d"):
        refused = said(socket, json.dumps({"op": "consume", "id": id, "queue": "whole"}))
        assert (refused["code"], refused["errors"][0]["pointer"]) == ("invalid", "/id")


# Ids, and what is answered


@pytest.mark.parametrize("id", [1, "1", 0, -5, "", "ünï", "x" * 255, 2**53, '\u2028"\\'])
def test_ids_come_back_as_they_went(socket: Socket, id: Any) -> None:
    assert said(socket, json.dumps({"op": "ping", "id": id})) == {"op": "pong", "id": id}
    answer = said(socket, json.dumps({"op": "ack", "id": id, "receipts": ["1-1-1"]}))
    assert (answer["op"], answer["id"]) == ("error", id)
    answer = said(socket, json.dumps({"op": "ack", "id": id, "receipts": [1]}))
    assert (answer["code"], answer["id"]) == ("invalid", id)


@pytest.mark.parametrize("id", [True, 1.5, [], {}, "x" * 256, 2**53 + 1])
def test_what_is_no_id_is_invalid(socket: Socket, id: Any) -> None:
    assert said(socket, json.dumps({"op": "ping", "id": id}))["code"] == "invalid"


def test_without_an_id_only_errors_come_back(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    socket.connection.send(json.dumps({"op": "publish", "to": f"queue:{name}", "messages": [{"body": 1}]}))
    socket.connection.send(json.dumps({"op": "ack", "receipts": []}))
    socket.connection.send(json.dumps({"op": "pong"}))
    answer = said(socket, json.dumps({"op": "publish", "to": "queue:nobody", "messages": [{"body": 1}]}))
    assert answer.keys() == {"op", "code", "message", "retryable"}
    assert (answer["op"], answer["code"], answer["retryable"]) == ("error", "not_found", False)
    assert operator.queue(name)["counts"]["ready"] == 1


def test_ping_is_answered_with_and_without_an_id(socket: Socket) -> None:
    assert said(socket, '{"op":"ping"}') == {"op": "pong"}
    assert said(socket, '{"op":"ping","id":"x"}') == {"op": "pong", "id": "x"}


def test_the_protocols_own_ping_is_answered(socket: Socket) -> None:
    assert socket.connection.ping().wait(10)


def test_publishing_elsewhere_is_refused_by_its_kind(socket: Socket) -> None:
    for to, code in (("queue:nobody", "not_found"), ("nowhere", "invalid"), ("queue:", "invalid"), ("queue:a/b", "invalid")):
        assert error(socket, "publish", to=to, messages=[{"body": 1}])["code"] == code


def test_errors_point_to_the_place(socket: Socket) -> None:
    answer = error(socket, "publish", to="queue:q", messages=[{"body": 1}, {"body": 1, "priority": 10}])
    assert answer["errors"][0]["pointer"] == "/messages/1/priority"


def test_a_settle_frame_tells_each_receipts_fate_only_when_one_failed(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    operator.publish(name, *({"body": n} for n in range(3)))
    socket.consume(name)
    receipts = [message["receipt"] for message in deliveries(socket, 3)]
    assert socket.call("ack", receipts=receipts[:1]).keys() == {"op", "id"}
    mixed = error(socket, "nack", items=[{"receipt": receipt, "delay": 60} for receipt in receipts])
    assert (mixed["code"], mixed["retryable"]) == ("lease_lost", False)
    assert mixed["results"] == [
        {"receipt": receipts[0], "status": "lease_lost"},
        {"receipt": receipts[1], "status": "ok"},
        {"receipt": receipts[2], "status": "ok"},
    ]
    assert operator.queue(name)["counts"]["scheduled"] == 2


def test_a_frame_has_at_most_1000_receipts(socket: Socket) -> None:
    assert error(socket, "ack", receipts=["1-1-1"] * 1001)["code"] == "invalid"
    assert len(error(socket, "ack", receipts=["1-1-1"] * 1000)["results"]) == 1000


def test_answers_come_in_the_order_of_the_commands(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    ids = [socket.send("publish", to=f"queue:{name}", messages=[{"body": n}]) for n in range(200)]
    assert [socket.receive()["id"] for _ in ids] == ids
    assert [message["body"] for message in operator.receive(name, max=1000)] == list(range(200))


# Bad frames


def test_bad_frames_get_an_error_and_the_tenth_in_a_row_ends_the_socket(socket: Socket) -> None:
    for frame in BAD[:9]:
        assert said(socket, frame)["code"] == "invalid", frame
    assert said(socket, '{"op":"ping"}') == {"op": "pong"}
    for frame in BAD[:9]:
        assert said(socket, frame)["code"] == "invalid", frame
    socket.connection.send(BAD[9])
    [binary] = socket.until_closed(10)
    assert (binary["code"], binary["errors"]) == ("invalid", [{"pointer": "", "detail": "frames are JSON text"}])
    assert (socket.close_code, socket.close_reason) == (4008, "too many bad frames")


def test_refusals_are_not_bad_frames(socket: Socket) -> None:
    for _ in range(12):
        assert error(socket, "consume", queue="nobody")["code"] == "not_found"


# Sizes


def test_a_frame_of_8_mib_is_taken_and_one_byte_more_closes_with_1009(either: Server, operator: Rest, name: str) -> None:
    roomy(operator, name)
    frame: Any = {"op": "publish", "id": 1, "to": f"queue:{name}", "messages": [{"body": "x" * (4 * MIB)}, {"body": ""}]}
    frame["messages"][1]["body"] = "x" * (8 * MIB - len(json.dumps(frame)))
    with either.socket() as socket:
        assert said(socket, json.dumps(frame))["op"] == "ok"
        send_too_much(socket, json.dumps(frame) + " ")
        assert socket.until_closed(10) == []
        assert socket.close_code == 1009


def send_too_much(socket: Socket, text: str) -> None:
    """Send a frame that is refused: its head says how large it is, so that the end may come while the rest is being sent."""
    with suppress(ConnectionClosed):
        socket.connection.send(text)


def test_bytes_are_counted_not_characters(either: Server) -> None:
    with either.socket() as socket:
        socket.connection.send(json.dumps({"op": "ping", "id": "ü" * (3 * MIB)}, ensure_ascii=False))
        assert socket.receive()["code"] == "invalid"
        send_too_much(socket, json.dumps({"op": "ping", "id": "ü" * (4 * MIB + 1)}, ensure_ascii=False))
        assert socket.until_closed(10) == []
        assert socket.close_code == 1009


@pytest.mark.parametrize("size", [64 * KIB + 1, 9 * MIB])
def test_before_authentication_a_frame_has_64_kib(either: Server, size: int) -> None:
    with stranger(either) as socket:
        assert socket.receive()["op"] == "hello"
        send_too_much(socket, "x" * size)
        assert socket.until_closed(10) == []
        assert socket.close_code == 1009


# Why it ended


def test_a_close_says_why(either: Server) -> None:
    """Beside the code, which may stand for several things."""
    with stranger(either) as nobody:
        nobody.connection.send("{}")
        nobody.until_closed(10)
        assert (nobody.close_code, nobody.close_reason) == (4001, "unauthenticated")
    with stranger(either) as large:
        send_too_much(large, "x" * (64 * KIB + 1))
        large.until_closed(10)
        assert (large.close_code, large.close_reason) == (1009, "a frame has at most 65536 bytes")


# The end, for a client that is still sending


ENDED = {  # what is sent first, by whom, and the code that it gets to see
    "more than fits": (wire.frame(b"", length=1 << 30), True, 1009),
    "frames that are none": (wire.frame(b"{}", masked=False) * 3, True, 1002),
    "a text that is none": (wire.frame(b"\xff"), True, 1007),
    "ten bad frames": (wire.frame(b"") * 10, True, 4008),
    "a wrong token": (wire.frame(json.dumps({"op": "auth", "token": "wrong" * 6}).encode()), False, 4001),
}


def test_a_client_that_sends_on_for_seconds_gets_to_see_the_close(either: Server) -> None:
    """A connection that is closed while something of it is unread is reset, and the close frame is lost with it."""
    began, more = time.monotonic(), wire.frame(b" " * 256 * KIB)
    with ExitStack() as opened:
        sockets = {name: opened.enter_context(wire.upgraded(either, authorized=known)) for name, (_, known, _) in ENDED.items()}
        for name, (first, _, _) in ENDED.items():
            sockets[name].sendall(first)

        def sent_on() -> bool:
            for connection in sockets.values():
                connection.sendall(more)
            return time.monotonic() - began > 4

        eventually(sent_on, interval=0.1, why="longer than a closing handshake takes")
        assert {name: wire.closed_with(connection) for name, connection in sockets.items()} == {
            name: code for name, (_, _, code) in ENDED.items()
        }
        for connection in sockets.values():
            connection.shutdown(SHUT_WR)
            assert wire.rest_of(connection) == b""


def test_deliveries_carry_at_most_512_kib_of_bodies_and_a_larger_message_goes_alone(
    socket: Socket, operator: Rest, name: str
) -> None:
    roomy(operator, name)
    sizes = [100, 200, 200, 600, 300, 300, 1500, 10]
    for n, size in enumerate(sizes):
        operator.publish(name, {"body": f"{n}" + "x" * (size * KIB)})
    socket.consume(name, prefetch=100)
    frames: list[list[int]] = []
    while sum(map(len, frames)) < len(sizes):
        frames.append([len(m["body"]) // KIB for m in frames_until(socket, "deliver")["messages"]])
    assert [size for frame in frames for size in frame] == sizes
    assert all(sum(frame) <= 512 or len(frame) == 1 for frame in frames)


def test_an_answer_carries_at_most_512_kib_of_bodies(operator: Rest, name: str) -> None:
    operator.declare(name)
    operator.publish(name, *({"body": "x" * (200 * KIB)} for _ in range(5)))
    assert [len(operator.receive(name, max=10)) for _ in range(4)] == [2, 2, 1, 0]


def test_a_thousand_small_messages_fit_one_frame(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    operator.publish(name, *({"body": n} for n in range(1000)))
    socket.consume(name, prefetch=2000)
    assert [message["body"] for message in deliveries(socket, 1000)] == list(range(1000))


def test_a_body_comes_as_the_very_text_it_went(socket: Socket, operator: Rest, name: str) -> None:
    operator.declare(name)
    text = '{"a":1.10,"a":1E400 , "b":[ ],"\\u00e9":"\\ud83d\\ude00","n":123456789012345678901234567890}'
    socket.connection.send(f'{{"op":"publish","id":1,"to":"queue:{name}","messages":[{{"body":{text}}}]}}')
    assert socket.receive()["op"] == "ok"
    socket.connection.send(json.dumps({"op": "consume", "id": 2, "queue": name}))
    assert frames_until(socket, "ok")
    assert text in str(socket.connection.recv(10))
    operator.call("POST", f"/queues/{name}/purge", {"filter": {"states": ["leased"]}})
    socket.call("cancel", sub="2")
    socket.connection.send(f'{{"op":"publish","id":3,"to":"queue:{name}","messages":[{{"body":{text}}}]}}')
    assert frames_until(socket, "ok")["id"] == 3
    assert text in operator.http.post(f"/queues/{name}/receive", json={}).text


# The end of the node


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
def test_a_node_that_stops_closes_with_1001_and_gives_back_unharmed(tmp_path: Path, kind: str) -> None:
    with Server(tmp_path / "data", kind=kind).start() as server:
        with server.rest() as rest, server.socket() as socket, stranger(server) as nobody:
            rest.declare("orders")
            rest.publish("orders", {"body": 1})
            socket.consume("orders")
            deliveries(socket, 1)
            os.kill(server.pid, signal.SIGTERM)
            assert socket.until_closed(10) == []
            assert (socket.close_code, bool(socket.close_reason)) == (1001, True)
            nobody.until_closed(10)
            assert nobody.close_code == 1001
        assert server.exit_status() == 0
        with server.start().rest() as rest:
            (message,) = eventually(lambda: rest.receive("orders"), why="it is back")
            assert message["failures"] == 0


def test_an_unknown_command_names_what_there_is(socket: Socket) -> None:
    with pytest.raises(Refused) as caught:
        socket.call("suscribe", queue="q")
    assert caught.value.code == "invalid"
