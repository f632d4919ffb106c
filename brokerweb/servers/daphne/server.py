"""Daphne's server with this project's limits, and order of stopping."""

from __future__ import annotations

import asyncio
import math
import socket
from functools import partial
from typing import Any

import daphne.server as stock  # first: it chooses Twisted's reactor
from twisted.internet import reactor as _reactor
from twisted.logger import ILogObserver, globalLogBeginner
from zope.interface import implementer

from brokerweb import conf
from brokerweb.core import memory
from brokerweb.faces.http.body import Receive
from brokerweb.servers import lifecycle
from brokerweb.servers.daphne.http import Factory
from brokerweb.servers.daphne.websocket import WebSockets

reactor: Any = _reactor  # a module to the type checker, an object in truth


@implementer(ILogObserver)  # type: ignore[untyped-decorator]  # zope has no types
def _unheard(event: dict[str, Any]) -> None:
    """Twisted's own log tells of every connection; errors come by Python's logging."""


class Server(stock.Server):
    """Starts the broker before it listens, and drains it before it stops."""

    def __init__(self, application: Any, sock: socket.socket, options: conf.Conf) -> None:
        # autobahn pings by itself, more exactly than Daphne's timer; nothing limits how long a socket lives
        super().__init__(self._serve, endpoints=["adopted"], ping_interval=math.inf, websocket_timeout=-1, server_name=None)
        self._application = application
        self.sock, self.options = sock, options
        self.failure: BaseException | None = None
        self.connections: dict[Any, dict[str, Any]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self) -> None:
        """Serve until a signal. Raises what kept the broker from starting."""
        self.http_factory = Factory(self)
        self.http_factory.timeOut = conf.READ_TIMEOUT
        self.ws_factory = self._websockets()
        globalLogBeginner.beginLoggingTo([_unheard], redirectStandardIO=False, discardBuffer=True)
        loop = reactor._asyncioEventloop
        asyncio.set_event_loop(loop)
        reactor.callLater(1, self.application_checker)
        reactor.callLater(2, self.timeout_checker)
        reactor.callWhenRunning(self._begin, loop)
        reactor.run(installSignalHandlers=False)
        if self.failure is not None:
            raise self.failure

    def _websockets(self) -> WebSockets:
        factory = WebSockets(self, server=None)
        factory.setProtocolOptions(
            allowNullOrigin=True,
            autoPingInterval=conf.PING_INTERVAL,
            autoPingTimeout=conf.PING_TIMEOUT,
            closeHandshakeTimeout=0,  # it would reset the connection of who still sends
            failByDrop=False,  # else a message over the limit ends without 1009
            maxFramePayloadSize=self.options.max_request_bytes,
            maxMessagePayloadSize=self.options.max_request_bytes,
            openHandshakeTimeout=conf.READ_TIMEOUT,
            tcpNoDelay=True,
        )
        return factory

    def _begin(self, loop: asyncio.AbstractEventLoop) -> None:
        lifecycle.on_signals(loop, lambda: self._spawn(self._go_down()))
        self._spawn(self._come_up())

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _come_up(self) -> None:
        try:
            await lifecycle.start()
            memory.keep_made()
        except BaseException as error:  # ends the process: ``run`` raises it
            self.failure = error
            reactor.stop()
            return
        self.sock.listen(2048)
        self.sock.setblocking(False)
        self.port = reactor.adoptStreamPort(self.sock.fileno(), self.sock.family, self.http_factory)
        self.sock.close()  # Twisted has its own descriptor of it

    async def _go_down(self) -> None:
        try:
            self.port.stopListening()
            await lifecycle.drain()
            await self._finish_requests()
            await lifecycle.stop()
        except BaseException as error:  # a stop that failed must not look like one that worked
            self.failure = error
        finally:
            reactor.stop()

    async def _finish_requests(self) -> None:
        running = [d["application_instance"] for d in self.connections.values() if "application_instance" in d]
        if running:
            _, late = await asyncio.wait(running, timeout=lifecycle.GRACE)
            for instance in late:
                instance.cancel()

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        scope["extensions"] = {"brokerweb.link": protocol}
        if scope["type"] == "http" and scope["path"].endswith("/raw"):
            scope["headers"] += protocol.underscored()
        received = super().create_application(protocol, scope)
        if received is not None:
            self.connections[protocol]["application_instance"].add_done_callback(partial(self._reap, protocol))
        return received

    def _reap(self, protocol: Any, instance: asyncio.Task[None]) -> None:
        """Let go of what is answered: until Daphne's checker comes by, once a second, it would keep thousands of requests.

        What failed is left to it, since it says so.
        """
        well = not instance.cancelled() and instance.exception() is None
        if well and "disconnected" in self.connections.get(protocol, ()):
            del self.connections[protocol]

    def _serve(self, scope: dict[str, Any], receive: Receive, send: Any) -> Any:
        return self._application(scope, scope["extensions"]["brokerweb.link"].taking(receive), send)

    def protocol_disconnected(self, protocol: Any) -> None:
        if protocol in self.connections:  # the checker may have been first
            super().protocol_disconnected(protocol)


def run(application: Any, sock: socket.socket, options: conf.Conf) -> None:
    """Serve until a signal."""
    Server(application, sock, options).run()
