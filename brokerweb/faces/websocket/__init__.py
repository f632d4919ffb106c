"""The carrier of WebSockets: it takes languages, and knows none. What it asks of one is in ``language``."""

from brokerweb.faces.websocket.socket import Socket

__all__ = ["Socket"]
