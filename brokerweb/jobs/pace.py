"""The original pace of records, or a factor of it: which of them are due, and when the next one is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brokerweb.core.clock import SECOND, seconds

LATE = seconds(1)  # beyond it the rest moves back, instead of making up for a standstill all at once
STEP = seconds(0.05)  # the least time between two chunks
FURTHEST = seconds(366 * 86_400)  # keeps instants within 63 bits


class Pace:
    """The first record of the range was appended at ``origin`` and is due at ``began``; the others follow ``speed``."""

    def __init__(self, speed: float, cursor: Mapping[str, Any], *, due_at: int, now: int) -> None:
        self.speed, self.now = speed, now
        self.origin: int | None = cursor.get("origin")
        self.began: int = cursor.get("began", now)
        late = now - due_at
        if late > LATE:
            self.began += late

    def due(self, appended_at: int) -> int:
        """When a record's time comes."""
        if self.origin is None:
            self.origin, self.began = appended_at, self.now
        after = max(0, appended_at - self.origin) / SECOND / self.speed
        return self.began + min(seconds(after), FURTHEST)

    def cursor(self) -> dict[str, int]:
        """What the next chunk must know."""
        return {} if self.origin is None else {"origin": self.origin, "began": self.began}
