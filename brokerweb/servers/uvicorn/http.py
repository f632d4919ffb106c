"""HTTP of Uvicorn's: heads and bodies, patience with slow clients."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from brokerweb import conf
from brokerweb.core.errors import BrokerError, Invalid
from brokerweb.servers import heads, lifecycle, refusals
from brokerweb.servers.chunks import Chunks
from brokerweb.servers.gathering import Gathering
from brokerweb.servers.lingering import Lingering


class Http(HttpToolsProtocol):
    """HTTP with a strict reading of heads and chunks, a deadline for the head, and for each further stretch of the body.

    The parser is given a head, and then its body, so that each is looked at from where it begins.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(cast("asyncio.Transport", Gathering(transport, self.loop)))
        self._reading = self._in_head = False
        self._begun = b""  # a line that is not whole yet
        self._head_bytes, self._tail = 0, b""  # of the head: how many came, and the last three
        self._line: heads.Line | None = None  # the request's, once it is
        self._upgrade: bytes | None = None  # what it asks to change to
        self._left: int | Chunks = 0  # of its body
        self._unanswered = 0  # requests whose head has come
        self._answered_unread = False
        self._refusal: BrokerError | None = None
        self._deadline: asyncio.TimerHandle | Lingering | None = None
        self._give(conf.READ_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._take_deadline()
        super().connection_lost(exc)

    def abort(self) -> None:
        """Cut the connection; nothing that waits is written."""
        self.transport.abort()

    async def drained(self) -> None:
        """Nothing to wait for: sending waits by itself."""

    # What comes

    def data_received(self, data: bytes) -> None:
        if isinstance(self._deadline, Lingering):
            self._deadline.heard()
        self._unset_keepalive_if_required()
        try:
            while data and self._refusal is None and not self._upgraded:
                data = self._read_body(data) if self._reading and not self._in_head else self._read_head(data)
        except BrokerError as error:
            self.refuse(error)
        except httptools.HttpParserError as error:
            said = error.__context__  # where it was one of the methods below that refused
            self.refuse(said if isinstance(said, BrokerError) else Invalid(refusals.MALFORMED))
        if self._refusal is None:
            self._watch()

    @property
    def _upgraded(self) -> bool:
        return self._upgrade == b"websocket" and not self._in_head

    def _read_head(self, data: bytes) -> bytes:
        """Let the parser have what there is of a head, but for its first line, which it gets whole; what stands behind it."""
        if self._line is None:
            data = self._begun + data
            while data.startswith(b"\r\n"):  # ends of lines between requests
                data = data[2:]
            text, found, _ = data.partition(b"\r\n")
            if data and not self._reading:
                self._begin()
            if not found:
                self._begun = text
                if len(text) > heads.MAX_BYTES:
                    raise heads.too_large()
                if heads.CONTROLS.search(text.removesuffix(b"\r")):
                    raise Invalid(heads.LINE)
                return b""
            self._begun, self._line = b"", heads.read_line(text)
        end = (self._tail + data).find(b"\r\n\r\n")
        size = len(data) if end < 0 else end + 4 - len(self._tail)
        self._head_bytes += size
        if self._head_bytes > heads.MAX_BYTES:
            raise heads.too_large()
        self._tail = (self._tail + data[:size])[-3:]
        self._feed(data[:size])
        return data[size:]

    def _begin(self) -> None:
        self._reading = self._in_head = True
        self._head_bytes, self._tail = 0, b""
        self._progress = 0  # bytes of the body since its client last earned time
        self._answered_unread = False
        self._take_deadline()

    def _read_body(self, data: bytes) -> bytes:
        """Let the parser have what there is of a body; what stands behind it."""
        if isinstance(self._left, Chunks):
            rest = self._left.feed(data)
            size = len(data) - len(rest or b"")
        else:
            size = min(len(data), self._left)
            self._left -= size
        self._feed(data[:size])
        return data[size:]

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            if self._upgraded:
                self.handle_websocket_upgrade()
            else:
                self._read_again()

    def _read_again(self) -> None:
        """As if the client had not asked for another protocol: the parser would take what follows such a head for that."""
        line = self._line
        assert line is not None  # noqa: S101 (its head was read)
        head = [b" ".join(line[:3]), *(b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"), b"", b""]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn's own
        self._feed(b"\r\n".join(head))

    # What the parser finds

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a closed type to uvicorn
        scope["extensions"] = {"brokerweb.link": self}

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # what comes behind a body is nobody's, and would be kept without end
            super().on_header(name, value.rstrip(b" \t"))

    def _values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]

    def on_headers_complete(self) -> None:
        line = self._line
        assert line is not None  # noqa: S101 (the parser gets nothing before it)
        heads.check_count(len(self.headers))
        if line.host:  # it counts, and not the header (RFC 9112, 3.2.2)
            self.headers[:] = [header for header in self.headers if header[0] != b"host"] + [(b"host", line.host)]
        heads.check_fields(line, self._values)
        self._upgrade = heads.upgrade(line, self._values)
        if self._upgrade == b"websocket":
            heads.check_handshake(line, self._values)
        elif self.parser.should_upgrade():
            return  # ``_read_again`` is next
        self.url = line.path
        self._left = Chunks() if self._values(b"transfer-encoding") else int((self._values(b"content-length") or [b"0"])[0])
        self._in_head, self._line = False, None
        self._unanswered += 1
        super().on_headers_complete()

    def _get_upgrade(self) -> bytes | None:
        return self._upgrade

    def on_body(self, body: bytes) -> None:
        self._progress += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_head:
            return  # as above
        self._reading = False
        super().on_message_complete()
        if not self._unanswered:
            self._give(conf.READ_TIMEOUT)

    # Refusing

    def refuse(self, error: BrokerError) -> None:
        """Hear nothing more; answer, once what came before is answered, and end the connection."""
        self._refusal = error
        self._take_deadline()
        if self._reading and not self._in_head:  # a body that cannot be read
            if self.cycle.response_started:
                self.transport.close()
                return
            self._withdraw()
        if not self._unanswered:
            self._say(error)

    def _withdraw(self) -> None:
        """Let the application know that the request under way will never be whole."""
        self._unanswered -= 1
        if self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline.popleft()
        else:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _say(self, error: BrokerError) -> None:
        """The last answer. The client may go on sending what nobody will read, so that it gets to see it."""
        if not self.transport.is_closing():
            self.transport.write(refusals.answer(error))
            self.transport.write_eof()
            self.flow.resume_reading()
            self._linger()

    # Patience

    def _watch(self) -> None:
        """Let only progress earn time. What was answered before it was whole earns none."""
        if self._reading:
            if not self._answered_unread and (self._deadline is None or self._progress >= conf.MAX_UNAUTHENTICATED_BYTES):
                self._progress = 0
                self._give(conf.READ_TIMEOUT)
        elif self._unanswered:
            self._take_deadline()
        elif self._deadline is None:  # line ends between requests: uvicorn waits no longer for what comes next
            self._give(conf.READ_TIMEOUT)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._unanswered -= 1
        if self._unanswered:
            return
        if self._refusal is not None:
            self._say(self._refusal)
        elif self._reading and not self._in_head:
            self._answered_unread = True
            self._linger()

    def _give(self, seconds: float) -> None:
        self._take_deadline()
        self._deadline = self.loop.call_later(seconds, self._out_of_time)

    def _linger(self) -> None:
        self._take_deadline()
        self._deadline = Lingering(self._out_of_time, lifecycle.LINGER)

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
