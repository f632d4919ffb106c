"""HTTP of Daphne's: sizes of heads and bodies, patience with slow clients."""

from __future__ import annotations

import asyncio
import logging
from io import BytesIO
from typing import Any

from daphne.http_protocol import HTTPFactory, WebRequest
from twisted.internet import reactor as _reactor
from twisted.web import http

from brokerweb import conf
from brokerweb.core.errors import Internal, Invalid, TooLarge
from brokerweb.faces.codec import problems
from brokerweb.faces.http.body import Receive, caller_is_known
from brokerweb.servers import lifecycle, refusals
from brokerweb.servers.daphne.flow import Flow

reactor: Any = _reactor  # a module to the type checker, an object in truth
log = logging.getLogger(__name__)


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


class Request(WebRequest):
    """A request whose body is bounded while it comes in, in memory: Daphne starts the application once it is whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The application reads forms by itself, and Twisted's way to a content type takes a fifth of a small request's time.
        self._parsePOSTFormSubmission = False
        self._flow = Flow()

    def gotLength(self, length: int | None) -> None:
        self.content = BytesIO()
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
            known = await caller_is_known(headers)
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
        """A target may be a whole URL, as clients send it to proxies (RFC 9112, 3.2.2)."""
        scheme, whole, rest = path.partition(b"://")
        if whole and scheme.lower() in (b"http", b"https"):
            path = b"/" + rest.partition(b"/")[2]
        super().requestReceived(command, path, version)

    def process(self) -> Any:
        """Daphne believes anyone who says under which path the application stands: all addresses would change with it."""
        self.requestHeaders.removeHeader(b"daphne-root-path")
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
        return receive

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


class Factory(HTTPFactory):
    """Builds connections of the kind above."""

    protocol = Channel

    def log(self, request: Any) -> None:
        """Nothing: Twisted would write an access log to where nobody reads it."""

    def buildProtocol(self, addr: Any) -> Any:
        channel = http.HTTPFactory.buildProtocol(self, addr)
        channel.requestFactory = Request  # type: ignore[union-attr]
        return channel
