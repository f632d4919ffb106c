"""What frames are on the wire, as a server sends them: neither masked, nor in parts, nor compressed (RFC 6455, 5.2)."""

from __future__ import annotations

from brokerweb.faces.websocket.language import Outgoing, Text

_TEXT, _BINARY = 0x81, 0x82


def framed(frame: Outgoing) -> bytes:
    """The whole frame."""
    if isinstance(frame, str):
        data = frame.encode()
        return _head(_TEXT, len(data)) + data
    if isinstance(frame, bytes):
        return _head(_BINARY, len(frame)) + frame
    if frame.framed is None:
        frame.framed = b"".join([_head(_TEXT, sum(map(len, frame.parts))), *frame.parts])
    return frame.framed


def event(frame: Outgoing) -> dict[str, object]:
    """What ASGI has for it."""
    if isinstance(frame, bytes):
        return {"type": "websocket.send", "bytes": frame}
    return {"type": "websocket.send", "text": str(frame) if isinstance(frame, Text) else frame}


def _head(kind: int, size: int) -> bytes:
    if size < 126:
        return bytes((kind, size))
    if size < 1 << 16:
        return bytes((kind, 126, size >> 8, size & 0xFF))
    return bytes((kind, 127)) + size.to_bytes(8, "big")
