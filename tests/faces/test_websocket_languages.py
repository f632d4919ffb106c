"""A second language beside brokerweb.v1: the carrier knows neither, and does the same for both."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from brokerweb import conf
from brokerweb.delivery import connections
from brokerweb.faces.brokerweb_v1.language import BrokerwebV1
from brokerweb.faces.websocket import Socket, socket
from tests.delivery.readers import append, declare
from tests.delivery.stage import Stage, play, soon
from tests.faces.lines import Lines

pytestmark = pytest.mark.django_db(transaction=True)


class Client:
    """One socket of a client that offers these subprotocols, without a server."""

    def __init__(self, *offered: str, lines: Lines | None = None) -> None:
        scope = {
            "type": "websocket",
            "path": "/ws",
            "headers": [(b"host", b"localhost")],
            "subprotocols": offered,
            "client": ("127.0.0.1", 4711),
        }
        self.said, self.heard = asyncio.Queue[dict[str, Any]](), asyncio.Queue[dict[str, Any]]()
        self.said.put_nowait({"type": "websocket.connect"})
        app = Socket.as_asgi(languages=[BrokerwebV1(), lines or Lines()])
        self.running = asyncio.ensure_future(app(scope, self.said.get, self.heard.put))

    @classmethod
    async def welcomed(cls, lines: Lines | None = None) -> Client:
        """One that speaks in lines, and is let in."""
        client = cls("lines.v1", lines=lines)
        assert await client.event() == {"type": "websocket.accept", "subprotocol": "lines.v1"}
        assert await client.asks("iam sesame") == "welcome ada"
        return client

    def say(self, frame: str | bytes) -> None:
        self.said.put_nowait({"type": "websocket.receive", "text" if isinstance(frame, str) else "bytes": frame})

    async def asks(self, frame: str | bytes) -> Any:
        self.say(frame)
        return await self.frame()

    async def event(self) -> dict[str, Any]:
        return await asyncio.wait_for(self.heard.get(), 10)

    async def frame(self) -> Any:
        event = await self.event()
        assert event["type"] == "websocket.send", event
        return event.get("text", event.get("bytes"))

    async def closed(self) -> int:
        """The code the broker closes with, to which the client answers."""
        event = await self.event()
        assert event["type"] == "websocket.close", event
        await self.leaves(1000)
        return int(event["code"])

    async def leaves(self, code: int) -> None:
        self.said.put_nowait({"type": "websocket.disconnect", "code": code})
        await asyncio.wait_for(self.running, 10)


# The handshake


@pytest.mark.parametrize(
    ("offered", "accepted"),
    [
        ((), None),
        (("brokerweb.v1",), "brokerweb.v1"),
        (("brokerweb.v1", "lines.v1"), "brokerweb.v1"),
        (("lines.v1",), "lines.v1"),
        (("chat", "lines.v1", "brokerweb.v1"), "lines.v1"),
    ],
)
def test_the_client_chooses_and_who_asks_for_none_gets_the_first(offered: tuple[str, ...], accepted: str | None) -> None:
    async def scene(stage: Stage) -> None:
        client = Client(*offered)
        assert await client.event() == {"type": "websocket.accept", "subprotocol": accepted}
        if accepted == "lines.v1":
            assert await client.asks("iam sesame") == "welcome ada"  # before any word of the broker's
        else:
            assert json.loads(await client.frame())["op"] == "hello"
        await client.leaves(1000)

    play(scene)


def test_who_asks_for_others_is_refused() -> None:
    async def scene(stage: Stage) -> None:
        client = Client("chat", "lines")
        assert await client.event() == {"type": "websocket.close"}
        await client.running

    play(scene)


# The first frame


@pytest.mark.parametrize("first", ["iam nobody", "take orders", "", b"\0"])
def test_who_does_not_say_who_they_are_is_told_so_in_the_language_and_closed(first: str | bytes) -> None:
    async def scene(stage: Stage) -> None:
        client = Client("lines.v1")
        await client.event()
        assert await client.asks(first) == f"sorry unauthenticated: {len(first)} was said"
        assert await client.closed() == 4001
        assert connections.live() == []

    play(scene)


def test_who_says_nothing_is_closed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "TO_AUTHENTICATE", 0.01)

    async def scene(stage: Stage) -> None:
        client = Client("lines.v1")
        await client.event()
        assert await client.frame() == "sorry unauthenticated: nothing was said"
        assert await client.closed() == 4001

    play(scene)


@pytest.mark.parametrize("big", ["x" * (conf.MAX_UNAUTHENTICATED_BYTES + 1), b"x" * (conf.MAX_UNAUTHENTICATED_BYTES + 1)])
def test_the_limits_are_the_carriers(big: str | bytes) -> None:
    async def scene(stage: Stage) -> None:
        client = Client("lines.v1")
        await client.event()
        client.say(big)
        assert await client.closed() == 1009

    play(scene)


# Frames


def test_messages_are_delivered_in_the_language_and_those_that_wait_together_at_once() -> None:
    lines = Lines()

    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await Client.welcomed(lines)
        assert await client.asks("take orders") == "taking orders"
        await stage.publish(1, 2, 3)
        heard = [(await client.frame()).split(" ") for _ in range(3)]
        assert [(word, body) for word, _, body in heard] == [("message", "1"), ("message", "2"), ("message", "3")]
        assert lines.delivered == [3]
        receipt = heard[0][1]
        assert await client.asks(f"done {receipt}") == f"done {receipt}"
        assert await stage.counts() == {"leased": 2}
        await client.leaves(1000)
        await stage.counts_are(ready=2)

    play(scene)


def test_records_are_delivered_in_the_language() -> None:
    async def scene(stage: Stage) -> None:
        await declare()
        await append("a", "b")
        client, other = await Client.welcomed(), await Client.welcomed()
        for reader in (client, other):
            assert await reader.asks("read events") == "reading events"
            assert await reader.frame() == "records 0 a b"
        await append("c")
        assert [await reader.frame() for reader in (client, other)] == ["records 0 c"] * 2
        await client.leaves(1000)
        await other.leaves(1000)

    play(scene)


def test_errors_are_said_in_the_language_and_the_socket_stays() -> None:
    async def scene(stage: Stage) -> None:
        client = await Client.welcomed()
        assert await client.asks("sing") == "sorry invalid"
        assert await client.asks("take nothing") == "sorry not_found"
        assert await client.asks(b"\0\xff") == b"\0\xff"
        await client.leaves(1000)

    play(scene)


# The end


def test_a_session_may_close_and_so_may_an_operator() -> None:
    async def scene(stage: Stage) -> None:
        client = await Client.welcomed()
        client.say("bye")
        assert await client.closed() == 1000
        client = await Client.welcomed()
        [connection] = connections.live()
        assert (connection.protocol, connection.address) == ("lines.v1", "127.0.0.1:4711")
        assert connections.close(connection.id)
        assert await client.closed() == 4009
        await soon(lambda: not connections.live())

    play(scene)


def test_a_client_that_is_lost_is_lost_in_any_language() -> None:
    async def scene(stage: Stage) -> None:
        await stage.queue()
        client = await Client.welcomed()
        await client.asks("take orders")
        await stage.publish(1)
        await client.frame()
        await client.leaves(1006)
        await stage.counts_are(ready=1)
        [message] = (await stage.poll(limit=1)).messages
        assert message.failures == 1

    play(scene)
