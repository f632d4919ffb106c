"""Consumers that read nothing: the server cuts them, and whose fault it was is told by what stood in their way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.abuse.wire import frame, upgraded
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import Server

pytestmark = pytest.mark.long

LARGE, SMALL = 102_400, 10
CUT = 60  # seconds at the most until a socket that does not read is closed; 15 are usual


@pytest.fixture(scope="module")
def rest(server: Server) -> Iterator[Rest]:
    with server.rest() as rest:
        yield rest


def consumed(rest: Rest, server: Server, queue: str, size: int, number: int, *, and_say: bytes = b"") -> list[dict[str, Any]]:
    """The messages of a queue, once a consumer was cut who read none of them; ``and_say`` is what it said all the time."""
    rest.declare(queue, lease=600)
    for _ in range(number // 10):
        rest.publish(queue, *({"body": "x" * size} for _ in range(10)))
    with upgraded(server) as connection:
        connection.sendall(frame(b'{"op":"consume","id":1,"queue":"%s","prefetch":10000}' % queue.encode()))
        eventually(lambda: rest.queue(queue)["counts"]["leased"] > 0, why="it is sent messages")

        def cut() -> bool:
            if and_say:
                try:
                    connection.sendall(and_say)
                except ConnectionError:
                    pass
            return not rest.queue(queue)["counts"]["leased"]

        eventually(cut, CUT, why="it is cut", interval=0.5)
        return list(rest.browse(queue))


def test_who_is_cut_since_its_window_is_full_is_slow_and_costs_no_failure(rest: Rest, server: Server):
    messages = consumed(rest, server, "unread", LARGE, 300)
    assert len(messages) == 300
    assert {(message["state"], message["failures"]) for message in messages} == {("ready", 0)}


def test_who_goes_on_talking_but_does_not_read_is_slow_too(rest: Rest, server: Server):
    messages = consumed(rest, server, "deaf", LARGE, 300, and_say=frame(b'{"op":"ping"}'))
    assert {(message["state"], message["failures"]) for message in messages} == {("ready", 0)}


def test_who_has_room_and_answers_no_ping_is_lost(rest: Rest, server: Server):
    messages = consumed(rest, server, "silent", SMALL, 10)
    assert {message["failures"] for message in messages} == {1}
    assert {message["last_error"] for message in messages} == {"consumer lost"}
