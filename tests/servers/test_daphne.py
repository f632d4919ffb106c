"""What Daphne's server keeps of requests."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from brokerweb import conf
from brokerweb.faces.http.body import Receive
from brokerweb.servers.daphne import Server


class Protocol:
    """A request or a socket, as the server knows it."""

    def taking(self, receive: Receive) -> Receive:
        return receive


async def answers(server: Server, protocol: Protocol) -> None:
    server.protocol_disconnected(protocol)  # as a request says of itself once its answer is written


async def fails(server: Server, protocol: Protocol) -> None:
    server.protocol_disconnected(protocol)
    raise RuntimeError("the checker says so")


async def lets_go_first(server: Server, protocol: Protocol) -> None:
    """As a WebSocket does whose client is still there."""


@pytest.mark.parametrize(("application", "kept"), [(answers, False), (fails, True), (lets_go_first, True)])
def test_what_is_answered_is_let_go_of_at_once(application: Callable[..., Awaitable[None]], kept: bool) -> None:
    async def run() -> None:
        protocol = Protocol()
        with socket.socket() as sock:
            server: Server = Server(lambda scope, receive, send: application(server, protocol), sock, conf.get())
        server.protocol_connected(protocol)
        scope: dict[str, Any] = {"type": "http", "path": "/"}
        assert server.create_application(protocol, scope) is not None
        await asyncio.wait([server.connections[protocol]["application_instance"]])
        await asyncio.sleep(0)  # callbacks of what is done run in the loop's next round
        assert (protocol in server.connections) is kept

    asyncio.run(run())
