"""What a connection writes in one turn of the event loop, sent together.

Every send gives the interpreter lock away, and beside the committer's thread it comes back late: a frame, or an answer's
head and body, are not worth one each.
"""

from __future__ import annotations

import asyncio
from typing import Any

MOST = 256 * 1024  # bytes gathered at the most


class Gathering:
    """An asyncio transport whose writes leave at the end of the loop's turn; all else is the transport's own."""

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._parts: list[bytes] = []
        self._size = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._parts:
            self._loop.call_soon(self._flush)
        self._parts.append(data)
        self._size += len(data)
        if self._size > MOST:
            self._flush()

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def _flush(self) -> None:
        parts, self._parts, self._size = self._parts, [], 0
        if parts and not self._transport.is_closing():  # uvloop's transport raises where nobody is there any more
            self._transport.write(parts[0] if len(parts) == 1 else b"".join(parts))
