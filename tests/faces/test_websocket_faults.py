"""What goes wrong on a socket inside the broker, and what a frame that is none may cost; without a server."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from typing import Any

import pytest

from brokerweb.faces.brokerweb_v1.frames import id_of
from brokerweb.faces.brokerweb_v1.language import BrokerwebV1
from brokerweb.faces.websocket import Socket, handshake


def test_a_fault_of_the_broker_closes_the_socket_and_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(scope: Any) -> None:
        raise RuntimeError("the fault")

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: dict[str, Any]) -> None:
        sent.append(event)

    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(handshake, "principal", fail)
    asyncio.run(Socket([BrokerwebV1()])({"type": "websocket", "headers": [(b"host", b"localhost")]}, receive, send))
    assert (sent[-1]["type"], sent[-1]["code"]) == ("websocket.close", 1011)
    assert "the fault" not in str(sent)
    (record,) = [record for record in caplog.records if record.name == "brokerweb.faces.websocket.socket"]
    assert record.levelname == "ERROR"
    assert record.exc_info is not None
    assert str(record.exc_info[1]) == "the fault"


@pytest.mark.parametrize("id", [7, -1, "seven", "", "x" * 255, 2**70])
def test_the_id_of_a_bad_frame_is_found(id: Any) -> None:
    assert id_of(json.dumps({"op": "nope", "x": [{"id": 1}], "id": id})) == id


@pytest.mark.parametrize("id", [True, 1.0, None, [], {}, "x" * 256, 10**255])
def test_what_is_no_id_is_not_found(id: Any) -> None:
    assert id_of(json.dumps({"op": "nope", "id": id})) is None


@pytest.mark.parametrize("text", ["", "7", "[]", '{"id":1', '{"id":1} 2', '{"id":"\ud800"}', '{"id":1,"x":' + "[" * 200_000])
def test_a_frame_that_is_no_json_has_no_id(text: str) -> None:
    assert id_of(text) is None


def test_a_bad_frame_is_not_made_into_objects() -> None:
    text = '{"op":"nope","x":[' + ",".join(["[]"] * 100_000) + '],"id":7}'
    tracemalloc.start()
    try:
        assert id_of(text) == 7
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
