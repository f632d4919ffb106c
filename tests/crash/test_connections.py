"""F11: connections cut in the middle of a request, of a frame, and between the commit and its answer."""

from __future__ import annotations

import json
import random
import socket
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.clients import Rest
from tests.crash.dose import rounds, seed
from tests.eventually import eventually
from tests.server import TOKEN, Server

BATCH = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all of these; they leave it running."""
    with Server(tmp_path_factory.mktemp("connections") / "data") as server:
        yield server.start()


@pytest.fixture
def rest(server: Server) -> Iterator[Rest]:
    """A client, and a fresh queue."""
    with server.rest() as rest:
        rest.declare("orders", lease=600, max_failures=None)
        yield rest
        rest.call("DELETE", "/queues/orders")


def _body(dedup: str) -> dict[str, object]:
    return {"messages": [{"body": {"n": n, "pad": "x" * 300}, "dedup_id": f"{dedup}-{n}"} for n in range(BATCH)]}


def _request(server: Server, dedup: str) -> bytes:
    body = json.dumps(_body(dedup)).encode()
    head = (
        f"POST /api/v1/queues/orders/messages HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _frame(server: Server, dedup: str) -> bytes:
    """A masked text frame, as a client sends it."""
    text = json.dumps({"op": "publish", "id": 1, "to": "queue:orders", **_body(dedup)}).encode()
    assert 125 < len(text) < 65_536
    return b"\x81\xfe" + len(text).to_bytes(2, "big") + bytes(4) + text  # a mask of zeros changes nothing


def _send_and_cut(server: Server, data: bytes, *, upgrade: bool, answered: bool) -> None:
    """Send bytes on a fresh connection and cut it, without reading an answer or after its first byte."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=10)) as raw:
        if upgrade:
            raw.sendall(
                f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
                f"Sec-WebSocket-Protocol: brokerweb.v1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
            )
            received = b""
            while b'"hello"' not in received:
                received += raw.recv(65_536) or pytest.fail(f"no hello: {received!r}")
        raw.sendall(data)
        assert not answered or raw.recv(1)


def _stored(rest: Rest) -> int:
    return int(sum(rest.queue("orders")["counts"].values()))


@pytest.mark.parametrize(("make", "upgrade"), [(_request, False), (_frame, True)], ids=["rest", "websocket"])
@pytest.mark.parametrize("where", ["inside the request", "before the answer", "inside the answer"])
def test_a_publish_cut_off_is_stored_whole_or_not_at_all_and_sent_again_it_is_one(
    server: Server, rest: Rest, make: Callable[[Server, str], bytes], upgrade: bool, where: str
) -> None:
    dice = random.Random(number := seed())
    for done in range(rounds(5, 33)):
        data = make(server, f"d{done}")
        sent = data[: dice.randrange(len(data) // 2, len(data))] if where == "inside the request" else data
        _send_and_cut(server, sent, upgrade=upgrade, answered=where == "inside the answer")
        duplicate = {r["duplicate"] for r in rest.call("POST", "/queues/orders/messages", _body(f"d{done}"))["results"]}

        assert len(duplicate) == 1, f"stored in part (seed {number})"
        assert duplicate == {where == "inside the answer"} or where == "before the answer"
        assert _stored(rest) == (done + 1) * BATCH, f"seed {number}"


def test_a_consumer_cut_off_returns_its_messages_with_one_failure(server: Server, rest: Rest) -> None:
    rest.publish("orders", *({"body": n} for n in range(3)))
    for _ in range(rounds(2, 20)):
        before = {m["id"]: (m["attempts"], m["failures"]) for m in rest.browse("orders")}
        lost = server.socket()
        lost.consume("orders")
        frame = lost.next(10)
        assert frame is not None
        lost.cut()
        eventually(lambda: rest.queue("orders")["counts"]["ready"] == 3, why="all are ready again")
        for taken in frame["messages"]:
            after = rest.call("GET", f"/queues/orders/messages/{taken['id']}")

            assert after["failures"] == before[taken["id"]][1] + 1
            assert after["attempts"] == before[taken["id"]][0] + 1
        rest.settle("orders", release=[m["receipt"] for m in rest.receive("orders", max=10)])
