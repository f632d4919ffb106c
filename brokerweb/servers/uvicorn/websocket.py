"""WebSocket of Uvicorn's: last words."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from brokerweb.servers import lifecycle


class WebSocket(WebSocketsSansIOProtocol):
    """WebSocket whose last word reaches the client: what the client still sends is read away before the close."""

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
