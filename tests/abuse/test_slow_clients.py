"""Clients that dawdle: cut after ten seconds, or bounded; others do not notice. Both servers wait at the same time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from socket import MSG_PEEK, socket

import pytest

from tests.abuse.conftest import resident, still_works
from tests.abuse.wire import closed_with, connected, frame, head, rest_of, statuses, upgraded
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server

MIB = 1024 * 1024
PATIENCE, AT_MOST = 10.0, 25.0  # seconds; the second for busy machines


def _nothing(server: Server, connection: socket) -> None:
    """Connects, and says nothing."""


def _slow_head(server: Server, connection: socket) -> None:
    _drip(connection, b"GET /api/v1/queues HTTP/1.1\r\nHost: x\r\n" + b"a: b\r\n" * 100)


def _slow_body(server: Server, connection: socket) -> None:
    connection.sendall(head(server, "POST /api/v1/queues/honest/messages HTTP/1.1", "Content-Length: 1000"))
    _drip(connection, b" " * 1000)


def _slow_chunks(server: Server, connection: socket) -> None:
    connection.sendall(head(server, "POST /api/v1/queues/honest/messages HTTP/1.1", "Transfer-Encoding: chunked"))
    _drip(connection, b"1\r\n \r\n" * 200)


def _endless_chunk(server: Server, connection: socket) -> None:
    connection.sendall(head(server, "POST /api/v1/queues/honest/messages HTTP/1.1", "Transfer-Encoding: chunked"))
    connection.sendall(b"1000000000000000\r\nx")


def _drip(connection: socket, data: bytes) -> None:
    """A byte now and then, until the other side has enough."""
    connection.settimeout(0.25)
    for at in range(len(data)):
        try:
            connection.sendall(data[at : at + 1])
            connection.recv(1, MSG_PEEK)
            return  # an answer, or the end
        except TimeoutError:
            continue
        except ConnectionError:
            return


SLOW: dict[str, Callable[[Server, socket], None]] = {
    "silence": _nothing,
    "a slow head": _slow_head,
    "a slow body": _slow_body,
    "slow chunks": _slow_chunks,
    "a chunk of 2^60 bytes": _endless_chunk,
}


def _lasted(server: Server, act: Callable[[Server, socket], None]) -> tuple[float, list[int]]:
    """How long a connection lived, and what it was answered."""
    began = time.monotonic()
    with connected(server, AT_MOST + 5) as connection:
        act(server, connection)
        connection.settimeout(AT_MOST + 5)
        answered = statuses(rest_of(connection))
    return time.monotonic() - began, answered


def _unsaid(server: Server) -> tuple[float, int | None]:
    """How long a socket lived that never said who it is, and its close code."""
    began = time.monotonic()
    with upgraded(server, authorized=False, timeout=AT_MOST + 5) as connection:
        connection.sendall(frame(b"", 9))  # a ping is no word
        return time.monotonic() - began, closed_with(connection)


@pytest.mark.long
def test_who_takes_more_than_ten_seconds_is_cut(brokers: dict[str, Server]) -> None:
    with ThreadPoolExecutor(32) as threads:
        cut = {
            (kind, name): threads.submit(_lasted, server, act) for kind, server in brokers.items() for name, act in SLOW.items()
        }
        sockets = {kind: threads.submit(_lasting, server) for kind, server in brokers.items()}
        for server in brokers.values():
            still_works(server)
        for which, lasting in cut.items():
            seconds, answered = lasting.result()
            assert PATIENCE - 1 < seconds < AT_MOST, which
            assert answered in ([], [400], [408]), which
        for kind, socket_lasting in sockets.items():
            seconds, code = socket_lasting.result()
            assert PATIENCE - 1 < seconds < AT_MOST, kind
            assert code == 4001, kind
    for server in brokers.values():
        still_works(server)


def _lasting(server: Server) -> tuple[float, int | None]:
    began = time.monotonic()
    _, code = _unsaid(server)
    return time.monotonic() - began, code


@pytest.fixture
def flood(operator: Rest) -> Iterator[Rest]:
    """A queue with 40 MiB of messages."""
    operator.declare("flood")
    for _ in range(40):
        operator.publish("flood", *({"body": "x" * 102_400} for _ in range(10)))
    yield operator
    operator.call("DELETE", "/queues/flood")


def test_sockets_that_never_read_cost_bounded_memory_and_nobody_else_waits(broker: Server, flood: Rest) -> None:
    before = resident(broker)
    with ExitStack() as opened:
        for n in range(20):
            connection = opened.enter_context(upgraded(broker))
            connection.sendall(frame(b'{"op":"consume","id":%d,"queue":"flood","prefetch":10000}' % n))
        eventually(lambda: flood.queue("flood")["counts"]["leased"] > 20, why="they are served")
        began = time.monotonic()
        for _ in range(5):
            still_works(broker)
        assert time.monotonic() - began < 30
        assert resident(broker) - before < 100 * MIB
    eventually(lambda: flood.queue("flood")["counts"]["leased"] == 0, why="all are given back")


def test_what_a_client_does_not_read_is_not_leased_for_it(broker: Server, flood: Rest) -> None:
    with upgraded(broker) as connection:
        connection.sendall(frame(b'{"op":"consume","id":1,"queue":"flood","prefetch":10000}'))
        eventually(lambda: flood.queue("flood")["counts"]["leased"] > 20, why="it is served")
        for _ in range(5):
            still_works(broker)
        # What waits in the broker, in the server and in the kernel; without a bound it were the 32 MiB that it may hold.
        assert flood.queue("flood")["counts"]["leased"] * 102_400 < 24 * MIB
    eventually(lambda: flood.queue("flood")["counts"]["leased"] == 0, why="all are given back")


def test_what_a_client_does_not_read_of_streams_waits_in_the_store(broker: Server, operator: Rest) -> None:
    operator.call("PUT", "/streams/flood", {})
    for _ in range(20):
        operator.call("POST", "/streams/flood/records", {"records": [{"body": "x" * 102_400}] * 10})
    before = resident(broker)
    with upgraded(broker) as connection:
        for n in range(40):  # each from when the socket is full already, but for the first
            connection.sendall(frame(b'{"op":"subscribe","id":%d,"stream":"flood","from":"earliest"}' % n))
        eventually(lambda: _subscriptions(operator) == 40, why="all have begun")
        for _ in range(5):
            still_works(broker)
        assert resident(broker) - before < 100 * MIB
    operator.call("DELETE", "/streams/flood")


def _subscriptions(operator: Rest) -> int:
    return sum(len(connection["subscriptions"]) for connection in operator.call("GET", "/connections")["items"])


def test_a_socket_that_says_much_and_never_reads_is_read_no_further(broker: Server) -> None:
    said = frame(json.dumps({"op": "ack", "receipts": ["r" * 4000] * 200}).encode())  # the answer is as long
    before, sent = resident(broker), 0
    with upgraded(broker) as connection:
        connection.settimeout(2)
        with suppress(TimeoutError):
            while sent < 400 * MIB:
                connection.sendall(said)
                sent += len(said)
        assert sent < 100 * MIB
        assert resident(broker) - before < 100 * MIB
        still_works(broker)


def test_requests_that_are_never_read_cost_bounded_memory(broker: Server, flood: Rest) -> None:
    before = resident(broker)
    with ExitStack() as opened:
        for _ in range(20):
            connection = opened.enter_context(connected(broker))
            connection.sendall(head(broker, "GET /api/v1/queues/flood/messages?limit=5 HTTP/1.1") * 20)
        for _ in range(3):
            still_works(broker)
        assert resident(broker) - before < 100 * MIB
