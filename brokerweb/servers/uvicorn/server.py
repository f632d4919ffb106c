"""Uvicorn's server with this project's limits, and order of stopping."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any

import uvicorn

from brokerweb import conf
from brokerweb.core import memory
from brokerweb.servers import lifecycle
from brokerweb.servers.uvicorn.http import Http
from brokerweb.servers.uvicorn.websocket import WebSocket


class Server(uvicorn.Server):
    """Starts the broker before it listens, and drains it before it stops. Signals are handled outside."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        lifecycle.on_signals(asyncio.get_running_loop(), self._begin_to_stop)
        await lifecycle.start()
        memory.keep_made()
        await super().startup(sockets)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await lifecycle.drain()
        await super().shutdown(sockets)
        await lifecycle.stop()

    def _begin_to_stop(self) -> None:
        self.should_exit = True

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(application: Any, sock: socket.socket, options: conf.Conf) -> None:
    """Serve until a signal."""
    config = uvicorn.Config(
        application,
        loop="uvloop",
        http=Http,
        ws=WebSocket,
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        ws_max_size=options.max_request_bytes,
        ws_ping_interval=conf.PING_INTERVAL,
        ws_ping_timeout=conf.PING_TIMEOUT,
        ws_per_message_deflate=False,
        timeout_keep_alive=int(lifecycle.KEEP_ALIVE),
        timeout_graceful_shutdown=int(lifecycle.GRACE),
    )
    Server(config).run(sockets=[sock])
