"""HTTP of Daphne's: heads and bodies, patience with slow clients."""

from __future__ import annotations

import asyncio
import logging
from functools import partial
from io import BytesIO
from tempfile import SpooledTemporaryFile
from typing import Any
from urllib.parse import unquote

from daphne.http_protocol import HTTPFactory, WebRequest
from django.conf import settings
from twisted.web import http

from brokerweb import conf
from brokerweb.core.errors import BrokerError, Internal, Invalid, TooLarge
from brokerweb.faces.codec import problems
from brokerweb.faces.http import caller
from brokerweb.faces.http.body import Message, Receive
from brokerweb.faces.http.ownership import is_own
from brokerweb.servers import heads, lifecycle, refusals
from brokerweb.servers.chunks import Chunks
from brokerweb.servers.daphne.flow import Flow
from brokerweb.servers.lingering import Lingering

log = logging.getLogger(__name__)


class Channel(http.HTTPChannel):
    """HTTP with a strict reading of heads and chunks, a deadline for the head, and for each further stretch of the body."""

    totalHeadersSize = maxHeaders = 2 * heads.MAX_BYTES  # never reached: counted here
    MAX_LENGTH = heads.MAX_BYTES
    abortTimeout = 5
    transport: Any
    _idle = False
    _line: heads.Line | None = None  # of the request whose head is read
    _head_bytes = _head_lines = 0
    _refused = False

    # Reading

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        if self._buffer and self.line_mode and not self._busyReceiving:  # part of a line
            if self._head_bytes + len(self._buffer) > heads.MAX_BYTES:
                self.refuse(heads.too_large())
            elif heads.CONTROLS.search(self._buffer.removesuffix(b"\r")):
                self._respondToBadRequestAndDisconnect()

    def lineReceived(self, line: bytes) -> None:
        self._head_bytes += len(line) + 2
        self._head_lines += 1
        try:
            if self._head_bytes > heads.MAX_BYTES:
                raise heads.too_large()
            heads.check_count(self._head_lines - 2)
            if line[:1] in (b" ", b"\t") or heads.CONTROLS.search(line):  # a header over several lines (RFC 9112, 5.2)
                raise Invalid(refusals.MALFORMED)
            if line.endswith(b"\t") and line.lower().startswith(b"transfer-encoding:"):  # to Uvicorn's parser that is a coding
                raise Invalid(heads.FRAMING)
            if self._line is None and self.persistent:
                if not line:
                    self._head_lines = 0
                    return  # ends of lines between requests
                self._line = heads.read_line(line)
        except BrokerError as error:
            self.refuse(error)
        else:
            super().lineReceived(line)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.refuse(heads.too_large())

    def allHeadersReceived(self) -> None:
        line, headers = self._line, self.requests[-1].requestHeaders
        assert line is not None  # noqa: S101 (it came before the headers)
        self._line, self._head_bytes, self._head_lines = None, 0, 0
        try:
            if line.host:  # it counts, and not the header (RFC 9112, 3.2.2)
                headers.setRawHeaders(b"host", [line.host])
            values = partial(headers.getRawHeaders, default=[])
            heads.check_fields(line, values)
            if heads.upgrade(line, values) == b"websocket":
                heads.check_handshake(line, values)
            else:
                headers.removeHeader(b"upgrade")  # for Daphne it alone makes a WebSocket
        except BrokerError as error:
            self.refuse(error)
            return
        self._path = line.path  # type: ignore[assignment]  # read from Twisted's code as something else
        if self.length is None:
            self._chunks = Chunks(self.requests[-1].handleContentChunk)
        super().allHeadersReceived()

    def rawDataReceived(self, data: bytes) -> None:
        if self._handlingRequest or self.length is not None:
            super().rawDataReceived(data)
            return
        try:
            rest = self._chunks.feed(data)
        except Invalid as error:
            self.refuse(error)
            return
        if rest is not None and not self._refused:
            self._finishRequestBody(rest)

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Twisted's own method overlooks ``close`` in a list with commas."""
        if version != b"HTTP/1.1":
            return False
        options = b",".join(request.requestHeaders.getRawHeaders(b"connection", [])).lower().split(b",")
        if b"close" not in [option.strip(b" \t") for option in options]:
            return True
        request.responseHeaders.setRawHeaders(b"connection", [b"close"])
        return False

    def _send100Continue(self) -> None:
        if not self._refused:
            super()._send100Continue()

    # Patience

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

    # Refusing

    def refuse(self, error: BrokerError) -> None:
        """Answer now, end the writing side, and read no more than what it takes for the client to see the answer."""
        if self._refused:
            return
        self._refused = True
        self.clearLineBuffer()
        self.length = None  # else a head without a body were a request
        lingering = Lingering(self.transport.loseConnection, lifecycle.LINGER)
        self.dataReceived = lambda data: lingering.heard()  # type: ignore[method-assign]  # and nothing else from here on
        self.setTimeout(None)
        self.transport.unregisterProducer()  # one that is held up would keep the writing side open
        self.transport.write(refusals.answer(error))
        self.transport.loseWriteConnection()
        self.transport.resumeProducing()

    def _respondToBadRequestAndDisconnect(self) -> None:
        self.refuse(Invalid(refusals.MALFORMED))


class Request(WebRequest):
    """A request whose body is bounded while it comes in, in memory: Daphne starts the application once it is whole."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The application reads forms by itself, and Twisted's way to a content type takes a fifth of a small request's time.
        self._parsePOSTFormSubmission = False
        self._flow = Flow()

    def gotLength(self, length: int | None) -> None:
        # The path is the channel's until the request is whole. What goes to a project's own view has the project's limits.
        self._projects = not is_own(unquote(self.channel._path.partition(b"?")[0].decode("latin-1")))
        kept = settings.FILE_UPLOAD_MAX_MEMORY_SIZE  # in memory, the rest on the disk; closed when it has been read
        spool = SpooledTemporaryFile(kept) if self._projects else None  # noqa: SIM115 (it lives as long as the request)
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


class Factory(HTTPFactory):
    """Builds connections of the kind above."""

    protocol = Channel

    def log(self, request: Any) -> None:
        """Nothing: Twisted would write an access log to where nobody reads it."""

    def buildProtocol(self, addr: Any) -> Any:
        channel = http.HTTPFactory.buildProtocol(self, addr)
        channel.requestFactory = Request  # type: ignore[union-attr]  # a channel that is there is HTTP's
        return channel
