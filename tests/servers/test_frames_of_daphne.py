"""Frames as bytes under Daphne: what is taken by the short way is answered as autobahn would answer it."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from brokerweb.servers.daphne.websocket import WebSocket, WebSockets
from tests.servers.test_frames import HANDSHAKE, MOST, STREAMS, Intake, cut, turns


class Server:
    """As much of Daphne's as a socket asks of it."""

    root_path, proxy_forwarded_address_header = "", None

    def __init__(self) -> None:
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def create_application(self, protocol: Any, scope: Any) -> Any:
        return self.queue

    def protocol_connected(self, protocol: Any) -> None: ...

    protocol_disconnected = protocol_connected

    def log_action(self, *args: Any) -> None: ...


class Wire(StringTransport):
    """A connection."""

    half_closed = False

    def write(self, data: bytes) -> None:
        assert not self.half_closed
        super().write(data)

    def loseWriteConnection(self) -> None:  # noqa: N802 (Twisted's)
        self.half_closed = True

    def unregisterProducer(self) -> None:  # noqa: N802 (Twisted's)
        self.producer = None

    def setTcpNoDelay(self, enabled: bool) -> None: ...  # noqa: N802 (as above)


class Client:
    """One accepted socket, with an intake or without."""

    def __init__(self, intake: Intake | None = None) -> None:
        self.intake, self.server = intake, Server()
        factory = WebSockets(self.server, server=None)
        limits = {"maxFramePayloadSize": MOST, "maxMessagePayloadSize": MOST}
        factory.setProtocolOptions(failByDrop=False, openHandshakeTimeout=0, closeHandshakeTimeout=0, **limits)
        self.protocol: WebSocket = factory.buildProtocol(None)
        self.wire = Wire()
        self.protocol._raw_query_string = b""
        self.protocol.makeConnection(self.wire)
        self.protocol.dataReceived(HANDSHAKE)
        self.protocol.serverAccept()
        self.server.queue.get_nowait()
        self.wire.clear()
        if intake is not None:
            intake.go_on = self.protocol.go_on
            self.protocol.feed(intake)

    async def read(self, *pieces: bytes) -> None:
        for piece in pieces:
            if not self.wire.disconnecting:
                self.protocol.dataReceived(piece)
                await turns()
        await turns(50)

    def answers(self) -> tuple[Any, ...]:
        """All that can be seen from outside."""
        events = [self.server.queue.get_nowait() for _ in range(self.server.queue.qsize())]
        got = [event.get("text", event.get("bytes")) for event in events if event["type"] == "websocket.receive"]
        rest = [event for event in events if event["type"] != "websocket.receive"]
        return (
            got + (self.intake.got if self.intake else []),
            self.wire.value(),
            self.wire.disconnecting,
            self.wire.half_closed,
            rest,
        )


@pytest.mark.parametrize("pieces", ["whole", "frame by frame", "byte by byte", "at random"])
@pytest.mark.parametrize("name", STREAMS)
def test_the_answers_are_the_same_with_an_intake_and_without(name: str, pieces: str) -> None:
    whole, dice = b"".join(STREAMS[name]), random.Random(name)
    ways = {
        "whole": [whole],
        "frame by frame": STREAMS[name],
        "byte by byte": [bytes([byte]) for byte in whole],
        "at random": cut(whole, lambda: dice.randrange(1, 40)),
    }

    async def scene() -> None:
        seen = []
        for intake in (None, Intake(), Intake(1)):
            client = Client(intake)
            await client.read(*ways[pieces])
            seen.append(client.answers())
        assert seen[1] == seen[0]
        assert seen[2] == seen[0]

    asyncio.run(scene())
