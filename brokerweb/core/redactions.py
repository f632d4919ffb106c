"""What is left of a message or record that was redacted: a body that says nothing, and who took the other away."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from brokerweb.core import clock
from brokerweb.core.checksums import checksum

GONE = b"null"


@dataclass(frozen=True, slots=True)
class Left:
    """The contents of a redacted row: its key and where its answers go stay, for who settles, orders or answers it."""

    key: str | None
    reply_to: str | None
    correlation_id: str | None
    body: bytes = GONE
    binary: bool = False
    headers: str | None = None
    content_type: str | None = None

    def checksum(self, id: int) -> int:
        """It is redacted, and not damaged."""
        return checksum(id, self)


def said(by: str, wall: int) -> str:
    """The ``redacted`` that consumers get, as JSON."""
    return msgspec.json.encode({"by": by, "at": clock.rfc3339(wall)}).decode()
