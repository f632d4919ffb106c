"""WebSocket, subprotocol ``brokerweb.v1``: JSON text frames, documented in docs/protocol/websocket.md."""

from brokerweb.faces.websocket.socket import Socket

__all__ = ["Socket"]
