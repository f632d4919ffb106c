"""WebSocket of Uvicorn's: handshakes, last words, patience with slow clients."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets import http11
from websockets.http11 import Request

from brokerweb.core.errors import BrokerError
from brokerweb.servers import heads, lifecycle, refusals

# Its head was read before, within the limits of every other head.
http11.MAX_LINE_LENGTH, http11.MAX_NUM_HEADERS = heads.MAX_BYTES, heads.MAX_FIELDS
CLOSING = 10.0  # seconds until a connection ends of whose client nothing more is heard


class WebSocket(WebSocketsSansIOProtocol):
    """WebSocket whose last word reaches the client: what the client still sends is read away before the close."""

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
        self.transport.close()

    def keepalive_timeout(self) -> None:
        """The client had no chance to answer a ping that stands behind what it does not read: it is slow, and not lost."""
        if self.transport.get_write_buffer_size():
            gone: Any = {"type": "websocket.disconnect", "code": 1006, "brokerweb.slow": True}
            self.queue.put_nowait(gone)
            self.transport.abort()  # a close would wait for it to read
        else:
            super().keepalive_timeout()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(CLOSING, self._give_up)

    def _give_up(self) -> None:
        if not self.disconnected:
            self.transport.abort()

    def handle_parser_exception(self) -> None:
        if self.close_sent:
            return
        close = self.conn.close_sent
        code, reason = (close.code, close.reason) if close is not None else (1006, "")
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(lifecycle.LINGER, self.transport.close)
        self.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.conn.parser_exc is None:
            super().data_received(data)

    def shutdown(self) -> None:
        """The broker has closed every socket before; what is left never finished its handshake or its close."""
        self.stop_keepalive()
        self.transport.close()
