"""What a server knows of whom it gives the frames of a WebSocket to."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol


class Intake(Protocol):
    """Who takes the frames of one client, once it is known."""

    most: int  # bytes that a frame may have

    @property
    def room(self) -> int:
        """How many more it should be given now; it asks for those behind them by ``go_on``."""

    @property
    def busy(self) -> bool:
        """Whether it will."""

    def put(self, frames: Iterable[str | bytes]) -> None:
        """Handle these, in order, now or later."""
