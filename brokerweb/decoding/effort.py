"""What it may cost to read one body, by however many schemas and decoders: counted, so that it is the same on any machine."""

from __future__ import annotations

from brokerweb.decoding.values import Refused

MOST_STEPS = 250_000  # about a fifth of a second


class TooCostly(Refused):
    """Enough was done: whatever else the body may be is not tried."""

    def __init__(self) -> None:
        super().__init__(f"It is too costly to decode: it takes more than {MOST_STEPS:,} steps. The download has it.")


class Effort:
    """The steps that are left. Readers take one for each value that begins, and for each piece of the body."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MOST_STEPS

    def spend(self, steps: int) -> None:
        """Raises TooCostly where there are not so many left."""
        self.left -= steps
        if self.left < 0:
            raise TooCostly
