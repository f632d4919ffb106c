"""HTTP of Uvicorn's: patience with slow clients, size of a head."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brokerweb import conf
from brokerweb.core.errors import Invalid
from brokerweb.servers import lifecycle, refusals
from brokerweb.servers.gathering import Gathering


class Http(HttpToolsProtocol):
    """HTTP with a deadline for the head, and for each further stretch of the body."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", Gathering(transport, self.loop)))
        self._reading, self._in_head, self._received = False, True, 0
        self._refused = False
        self._unanswered = 0  # requests whose head has come
        self._deadline: asyncio.TimerHandle | None = None
        self._give(conf.READ_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_deadline()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._reading, self._in_head, self._received = True, True, 0
        self._refused = False
        self._take_deadline()
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a closed type to uvicorn
        scope["extensions"] = {"brokerweb.link": self}

    def abort(self) -> None:
        """Cut the connection; nothing that waits is written."""
        self.transport.abort()

    async def drained(self) -> None:
        """Nothing to wait for: sending waits by itself."""

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes behind a body is nobody's, and would be kept without end
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head, self._received = False, 0
        if not self._asks_for_another_protocol():
            self._unanswered += 1
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._received += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._asks_for_another_protocol():
            self._reading = False
            super().on_message_complete()
            if not self._unanswered:
                self._give(conf.READ_TIMEOUT)

    def _asks_for_another_protocol(self) -> bool:
        """As some clients do for HTTP/2. It is not spoken here, and the request is answered as if nobody had asked."""
        return self.parser.should_upgrade() and self._get_upgrade() not in (None, b"websocket")

    def _unsupported_upgrade_warning(self) -> None:
        """The parser ends such a request behind its head, and leaves its body out: it is read again, without the question."""
        if not self._asks_for_another_protocol():
            super()._unsupported_upgrade_warning()
            return
        line = b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        head = [line, *(b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"), b"", b""]
        stopped: Any = sys.exc_info()[1]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        super().data_received(b"\r\n".join(head) + self._data[stopped.args[0] :])

    def data_received(self, data: bytes) -> None:
        self._data = data
        super().data_received(data)
        self._data = b""
        if self._reading:
            self._watch(len(data))
        elif self._unanswered:
            self._take_deadline()
        elif self._deadline is None:  # line ends between requests: uvicorn waits no longer for what comes next
            self._give(conf.READ_TIMEOUT)

    def send_400_response(self, msg: str) -> None:
        self.transport.write(refusals.answer(Invalid(msg)))
        self.transport.close()

    def _watch(self, size: int) -> None:
        """A request is not whole yet: bound its head, and let only progress earn time. What was refused earns none."""
        if self._refused:
            return
        self._received += size if self._in_head else 0
        if self._in_head and self._received > lifecycle.MAX_HEAD_BYTES:
            self.send_400_response("The request's head is too large.")
        elif self._deadline is None or (not self._in_head and self._received >= conf.MAX_UNAUTHENTICATED_BYTES):
            self._received = 0
            self._give(conf.READ_TIMEOUT)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unanswered -= 1
        if self._reading:  # answered before it was read
            self._refused = True
            self._give(lifecycle.LINGER)

    def _give(self, seconds: float) -> None:
        self._take_deadline()
        self._deadline = self.loop.call_later(seconds, self._out_of_time)

    def _take_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_time(self) -> None:
        self._deadline = None
        if self.flow.read_paused:  # it is the application that is not reading
            self._give(conf.READ_TIMEOUT)
        else:
            self.transport.close()
