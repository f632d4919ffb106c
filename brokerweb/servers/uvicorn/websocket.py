"""WebSocket of Uvicorn's: handshakes, last words, patience with slow clients."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State
from websockets.streams import StreamReader

from brokerweb.core.errors import BrokerError
from brokerweb.servers import frames, heads, refusals
from brokerweb.servers.intake import Intake
from brokerweb.servers.lingering import Lingering

# Its head was read before, within the limits of every other head.
http11.MAX_LINE_LENGTH, http11.MAX_NUM_HEADERS = heads.MAX_BYTES, heads.MAX_FIELDS
UNREAD = 256 * 1024  # bytes that may wait to be parsed before a connection is read no further


class _Reader(StreamReader):
    """The library's stream, which asks before each frame whether it may be parsed."""

    def __init__(self, holds: Callable[[], bool]) -> None:
        super().__init__()
        self._holds = holds

    def at_eof(self) -> Generator[None, None, bool]:
        while self._holds() or not self.buffer:
            if self.eof:
                return True
            yield
        return False


class WebSocket(WebSocketsSansIOProtocol):
    """WebSocket whose last word reaches the client: what the client still sends is read away before the close.

    Once it has an intake, frames go there in the turn of the loop in which they are read: whole texts by ``frames``, all
    else by the library, at frame boundaries, in order. While the intake is full nothing more is parsed.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._intake: Intake | None = None
        self._came: list[str | bytes] = []
        self._held = self._lost = self._deaf = False
        self._lingering: Lingering | None = None
        self.conn.reader = _Reader(self._holds)
        self.conn.parser = self.conn.parse()
        next(self.conn.parser)

    # Frames in

    def feed(self, intake: Intake) -> None:
        """Give it every frame from now on, those that came before first. The end still comes by ``receive``."""
        queued = [self.queue.get_nowait() for _ in range(self.queue.qsize())]
        for event in queued:
            if event["type"] == "websocket.receive":
                text = event.get("text")
                self._came.append(text if text is not None else bytes(event["bytes"]))  # type: ignore[arg-type]  # an event has one of the two
            else:
                self.queue.put_nowait(event)
        self._intake = intake
        self._hand_over()

    def go_on(self) -> None:
        """Parse what was held back while the intake was full."""
        if self.conn.reader.buffer:
            self.data_received(b"")

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            self._lingering.heard()
        if self.conn.parser_exc is not None or self._deaf:
            return
        self.conn.receive_data(data)
        self.handle_events()  # uvicorn's own method drops what came before something wrong
        if self.conn.parser_exc is not None:
            self.handle_parser_exception()
        if self._intake is not None:
            self._hand_over()

    def _holds(self) -> bool:
        """Take the whole texts that are next; whether what follows has to wait."""
        self._held, intake = False, self._intake
        if self.close_sent or self.conn.state is not State.OPEN:
            return False
        if self.conn.events:  # of frames before, by the library's way
            self.handle_events()
        if intake is None:
            return False
        room = intake.room - len(self._came)
        if room > 0 and self.conn.current_size is None and not self.close_sent:
            texts, size = frames.whole_texts(self.conn.reader.buffer, intake.most, room)
            del self.conn.reader.buffer[:size]
            self._came += texts
            room -= len(texts)
        self._held = room <= 0 and not self.close_sent and not self._lost
        return self._held

    def _hand_over(self) -> None:
        """Let the intake have what came. Reading goes on unless too much waits for it."""
        intake, came, self._came = self._intake, self._came, []
        assert intake is not None  # noqa: S101 (nothing comes here without one)
        if came:
            intake.put(came)
        if self._held and not intake.busy:  # it takes no more
            self.loop.call_soon(self.go_on)
        if self.transport.is_closing():
            return
        if self._held and len(self.conn.reader.buffer) > UNREAD:
            if not self.read_paused:
                self.read_paused = True
                self.transport.pause_reading()
        elif self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()

    def send_receive_event_to_app(self) -> None:
        """uvicorn's own method fails where a close stands behind a text that is not UTF-8, and logs such texts."""
        data, self.frames = b"".join(self.frames), []
        try:
            frame: str | bytes = data if self.curr_msg_data_type == "bytes" else data.decode()
        except UnicodeDecodeError:
            if self.conn.state is State.OPEN:
                self.conn.send_close(1007)
                self.handle_parser_exception()
            return
        if self._intake is not None:
            self._came += [] if self.close_sent else [frame]
        else:
            self.frames = [data]
            super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        """What came before counts."""
        self._lost = True
        if self._intake is not None:
            self.go_on()
        super().connection_lost(exc)

    # Frames out

    def write(self, data: bytes) -> None:
        """Send whole frames. Raises ClientDisconnected where nobody is to get them."""
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(data)

    async def drained(self) -> None:
        """Wait until the client has taken most of what was sent."""
        await self.writable.wait()

    # The handshake, and the end

    def handle_connect(self, event: Request) -> None:
        if self.conn.accept(event).status_code == 101:
            super().handle_connect(event)
            scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a closed type to uvicorn
            scope["extensions"] = {"brokerweb.link": self}
        else:
            self.refuse(heads.NoHandshake())  # the library's own answer repeats what the client sent

    def refuse(self, error: BrokerError) -> None:
        """What the application answers a handshake that is not for it."""
        self.handshake_complete = self.close_sent = True
        self.transport.write(refusals.answer(error))
        self._end_writing()

    def keepalive_timeout(self) -> None:
        """The client had no chance to answer a ping that stands behind what it does not read: it is slow, and not lost."""
        if self.transport.get_write_buffer_size():
            gone: Any = {"type": "websocket.disconnect", "code": 1006, "brokerweb.slow": True}
            self.queue.put_nowait(gone)
            self.transport.abort()  # a close would wait for it to read
        else:
            super().keepalive_timeout()

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.close_sent and not self.transport.is_closing():
            self._linger()
            self.go_on()  # the client's own close may stand behind what was held back

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected and self._lingering is None:
            self._linger()

    def _linger(self) -> None:
        """Read away what the client still sends, until it ends the connection or its time is over."""
        if self._lingering is not None:
            self._lingering.cancel()
        if self.close_timer is not None:  # uvicorn's own, which resets the connection of who still sends
            self.close_timer.cancel()
        self._lingering = Lingering(self.transport.abort)
        self.close_timer = self._lingering  # type: ignore[assignment]  # that it can be cancelled is all uvicorn asks of it

    def _end_writing(self) -> None:
        """Where nothing that comes is understood, not even that the client closes."""
        self._deaf = True
        self.stop_keepalive()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.read_paused = False
        self._linger()

    def handle_parser_exception(self) -> None:
        if not self.close_sent:
            close = self.conn.close_sent
            code, reason = (close.code, close.reason) if close is not None else (1006, "")
            self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
            self.close_sent = True
        if not self._lost and not self._deaf and not self.transport.is_closing():
            self.transport.write(b"".join(self.conn.data_to_send()))
            self._end_writing()

    def handle_ping(self) -> None:
        if not self._deaf:  # else it came in the same read as what was not understood
            super().handle_ping()

    def handle_close(self, event: Frame) -> None:
        if self._deaf:
            return
        if self._lost and not self.close_sent and self.conn.close_rcvd is not None:
            said = self.conn.close_rcvd
            self.queue.put_nowait({"type": "websocket.disconnect", "code": said.code, "reason": said.reason})
        else:
            super().handle_close(event)
            self._linger()  # until what stands before the close is taken

    def shutdown(self) -> None:
        """The broker has closed every socket before; what is left never finished its handshake or its close."""
        self.stop_keepalive()
        self.transport.close()
