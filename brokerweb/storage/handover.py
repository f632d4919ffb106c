"""What a publishing transaction asks of those who wait for messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol


class Taker(Protocol):
    """Who takes messages in the commit that stores or leases them, and on which terms."""

    @property
    def holder(self) -> str:
        """As whom."""

    @property
    def lease(self) -> float | None:
        """For how many seconds; None for what the queue says."""

    @property
    def acknowledge(self) -> bool:
        """Whether it settles them; without that they are gone once they are handed over."""

    @property
    def most_bytes(self) -> int | None:
        """Of bodies at once, or one larger message; None where only their number counts."""

    @property
    def unsettled(self) -> int:
        """How many it has, the reserved ones among them: whoever has the fewest comes first."""


Reserved = Sequence[tuple[Taker, int]]  # takers, and for how many messages each has room


class HandOver(Protocol):
    """Who would take messages of a queue at once; asked inside the transaction."""

    def has_room(self, queue_id: int) -> bool:
        """Whether anybody would take one."""

    def reserve(self, queue_id: int, wanted: int) -> Reserved:
        """Room for up to ``wanted`` messages in all; what is not used must be given back by ``cancel``."""

    def reserve_all(self, queue_id: int) -> Reserved:
        """All the room there is, as ``reserve`` has it."""

    def cancel(self, reserved: Sequence[tuple[Any, int]]) -> None:
        """Room that was reserved is free again; the takers are those that ``reserve`` gave."""
