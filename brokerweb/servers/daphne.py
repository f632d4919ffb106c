"""Daphne with this project's limits: body sizes, patience with slow clients, close codes, order of stopping."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections import deque
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import unquote

import daphne.server as stock  # first: it chooses Twisted's reactor
from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol
from django.conf import settings
from twisted.internet import reactor as _reactor
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import ILogObserver, globalLogBeginner
from twisted.web import http
from zope.interface import implementer

from brokerweb import conf
from brokerweb.core.errors import Internal, Invalid, TooLarge
from brokerweb.faces.codec import problems
from brokerweb.faces.http import caller
from brokerweb.faces.http.body import Message, Receive
from brokerweb.faces.http.ownership import is_own
from brokerweb.servers import lifecycle, refusals

reactor: Any = _reactor  # a module to the type checker, an object in truth
log = logging.getLogger(__name__)

BUFFERED = 4 * 1024 * 1024  # bytes that may wait at a socket before its writer waits for the client
UNREAD = 1024 * 1024  # bytes of frames that the application may have yet to take before a socket is read no further
FRAME = 256  # what a small frame costs besides its bytes


@implementer(ILogObserver)  # type: ignore[untyped-decorator]  # zope has no types
def _unheard(event: dict[str, Any]) -> None:
    """Twisted's own log tells of every connection; errors come by Python's logging."""


class Channel(http.HTTPChannel):
    """HTTP with a deadline for the head, and for each further stretch of the body."""

    totalHeadersSize = MAX_LENGTH = lifecycle.MAX_HEAD_BYTES
    abortTimeout = 5
    transport: Any
    _idle = False

    def resetTimeout(self) -> None:
        """Called for every bit of data; only the first of a request earns time."""
        if self._idle:
            self._idle = False
            self.setTimeout(conf.READ_TIMEOUT)

    def progressed(self) -> None:
        """A good stretch of the body came."""
        self.setTimeout(conf.READ_TIMEOUT)

    def requestDone(self, request: Any) -> None:
        self._idle = True
        super().requestDone(request)
        if self.persistent and self._idle:  # else the next request has begun already
            self.setTimeout(lifecycle.KEEP_ALIVE)

    def refuse(self, error: TooLarge) -> None:
        """Answer now and read no more than what it takes for the client to see the answer."""
        self.transport.write(refusals.answer(error))
        self.setTimeout(None)
        self.dataReceived = lambda data: None  # type: ignore[method-assign]  # deaf from here on
        self.transport.resumeProducing()
        reactor.callLater(lifecycle.LINGER, self.transport.loseConnection)

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.transport.write(refusals.answer(Invalid(refusals.MALFORMED)))
        self.loseConnection()


def _local(target: bytes) -> bytes:
    """A target may be a whole URL, as clients send it to proxies (RFC 9112, 3.2.2)."""
    scheme, whole, rest = target.partition(b"://")
    return b"/" + rest.partition(b"/")[2] if whole and scheme.lower() in (b"http", b"https") else target


class Request(WebRequest):
    """A request whose body is bounded while it comes in, in memory: Daphne starts the application once it is whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The application reads forms by itself, and Twisted's way to a content type takes a fifth of a small request's time.
        self._parsePOSTFormSubmission = False
        self._flow = Flow()

    def gotLength(self, length: int | None) -> None:
        # The path is the channel's until the request is whole. What goes to a project's own view has the project's limits.
        self._projects = not is_own(unquote(_local(self.channel._path).partition(b"?")[0].decode("latin-1")))
        kept = settings.FILE_UPLOAD_MAX_MEMORY_SIZE  # in memory, the rest on the disk; closed when it has been read
        spool = SpooledTemporaryFile(kept) if self._projects else None  # noqa: SIM115
        self.content = spool or BytesIO()
        self._size = self._stretch = 0
        self._standing_asked = self._refused = False
        self._bound(length or 0)

    def handleContentChunk(self, data: bytes) -> None:
        if self._refused:
            return
        self._size += len(data)
        self._stretch += len(data)
        if self._stretch >= conf.MAX_UNAUTHENTICATED_BYTES:
            self._stretch = 0
            self.channel.progressed()
        self._bound(self._size)
        if not self._refused:
            self.content.write(data)

    def _bound(self, size: int) -> None:
        if self._projects:
            return
        if size > conf.get().max_request_bytes:
            self._refuse()
        elif size > conf.MAX_UNAUTHENTICATED_BYTES and not self._standing_asked:
            self._standing_asked = True
            self.channel.transport.pauseProducing()
            self._asking = asyncio.ensure_future(self._ask_standing())

    async def _ask_standing(self) -> None:
        """Read on only for a caller who is known."""
        headers = [(name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values]
        try:
            known = await caller.is_known(headers)
        except Exception:
            log.exception("the caller could not be looked up")
            known = False
        if self.channel is None or hasattr(self, "request_start"):  # gone, or whole already: the application decides
            return
        if known:
            self.channel.transport.resumeProducing()
        else:
            self._refuse()

    def _refuse(self) -> None:
        self._refused = True
        self.channel.refuse(TooLarge())

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        super().requestReceived(command, _local(path), version)

    def process(self) -> Any:
        """Daphne believes anyone who says under which path the application stands: all addresses would change with it."""
        self.requestHeaders.removeHeader(b"daphne-root-path")
        if self._projects:  # Daphne would put all of it into memory
            self._whole, self.content = self.content, BytesIO()
            self._whole.seek(0)
            self._given = False
        return super().process()

    def underscored(self) -> list[tuple[bytes, bytes]]:
        """Headers for a message whose names have a ``_``. Daphne leaves those out, since to WSGI ``_`` and ``-`` are the same."""
        named = [(name.lower(), values) for name, values in self.requestHeaders.getAllRawHeaders() if b"_" in name]
        return [(name, value) for name, values in named if name.startswith(b"message-header-") for value in values]

    # Answers that do not end: Twisted takes whatever is written, so that whoever writes has to ask before it writes on.

    def handle_reply(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.body" and not self.finished and self.channel is not None:
            if not message.get("more_body", False):
                self._flow.end(self)
            elif self.producer is None:
                self._flow.begin(self)
        super().handle_reply(message)

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """Where Daphne by itself would show a page."""
        error = Invalid(body) if status == Invalid.http_status else Internal()
        headers = [(b"Content-Type", problems.MEDIA_TYPE.encode())]
        self.handle_reply({"type": "http.response.start", "status": error.http_status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": problems.body(error)})

    def taking(self, receive: Receive) -> Receive:
        """What the application receives by; a request has come whole."""
        return partial(self._take, receive) if self._projects else receive

    async def _take(self, receive: Receive) -> Message:
        """The body from where it was kept, in parts; then whatever else comes."""
        if self._given:
            return await receive()
        part = self._whole.read(conf.MAX_UNAUTHENTICATED_BYTES)
        self._given = not part
        if self._given:
            self._whole.close()
            await receive()  # Daphne's own, which is empty
        return {"type": "http.request", "body": part, "more_body": not self._given}

    def abort(self) -> None:
        """Cut the connection; nothing that waits is written."""
        if self.channel is not None:
            self.channel.forceAbortClient()

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self._flow.open.wait()

    def connectionLost(self, reason: Any) -> None:
        self._flow.open.set()
        super().connectionLost(reason)


@implementer(IPushProducer)
class Flow:
    """Told by the transport when its buffer is full, and when it has room again."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.open.set()

    def begin(self, request: Any) -> None:
        request.registerProducer(self, True)

    def end(self, request: Any) -> None:
        if request.producer is self:
            request.unregisterProducer()

    def pauseProducing(self) -> None:
        self.open.clear()

    def resumeProducing(self) -> None:
        self.open.set()

    stopProducing = resumeProducing


class Factory(HTTPFactory):
    """Builds connections of the kind above."""

    protocol = Channel

    def log(self, request: Any) -> None:
        """Nothing: Twisted would write an access log to where nobody reads it."""

    def buildProtocol(self, addr: Any) -> Any:
        channel = http.HTTPFactory.buildProtocol(self, addr)
        channel.requestFactory = Request  # type: ignore[union-attr]
        return channel


class WebSocket(WebSocketProtocol):
    """A socket that the application may close with any code, and of which it can ask how far the client has read.

    It is read as fast as the application takes what comes: Daphne by itself would queue all of it.
    """

    def connectionMade(self) -> None:
        super().connectionMade()
        self._unread: deque[int] = deque()
        self._unread_bytes = 0
        self._paused = False
        self._flow = Flow()
        self.transport.unregisterProducer()  # the request's that became this socket
        # Twisted says "go on" only when all of it is gone: with little room a fan-out runs at a quarter of its rate.
        self.transport.bufferSize = BUFFERED
        self.transport.registerProducer(self._flow, True)

    def connectionLost(self, reason: Any = connectionDone) -> None:
        self._flow.open.set()
        super().connectionLost(reason)

    def _closeConnection(self, abort: bool = False) -> None:
        self.transport.unregisterProducer()  # one that is held up would keep the connection open
        self._flow.open.set()
        super()._closeConnection(abort)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self._flow.open.wait()

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        super().onMessage(payload, isBinary)
        self._unread.append(len(payload) + FRAME)
        self._unread_bytes += self._unread[-1]
        if self._unread_bytes > UNREAD and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def taking(self, receive: Receive) -> Receive:
        """What the application receives by."""
        return partial(self._take, receive)

    async def _take(self, receive: Receive) -> Message:
        event = await receive()
        if event["type"] == "websocket.receive":
            self._unread_bytes -= self._unread.popleft()
            if self._paused and self._unread_bytes < UNREAD // 2:
                self._paused = False
                self.transport.resumeProducing()
        return event

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:
        """autobahn's own method colours names for a debug line of every frame, whether or not anybody reads it."""
        if self.state != self.STATE_OPEN or sync or chopsize or self.send_queue:
            super().sendData(data, sync, chopsize)
        else:
            self.transport.write(data)
            self.trafficStats.outgoingOctetsWireLevel += len(data)

    def serverClose(self, code: int | None = None) -> None:
        """autobahn's own method refuses codes below 3000 but 1000: a client must not send those, a server must."""
        if self.state == self.STATE_OPEN:
            self.sendCloseFrame(code=1000 if code is None else code)


class WebSockets(WebSocketFactory):
    """Builds sockets of the kind above."""

    protocol = WebSocket


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
