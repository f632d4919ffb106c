"""What a database's upkeep by the broker has done and seen in this process; all of it stays as it is where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

LONG = 60.0  # seconds a transaction may last before it is told


class Upkeep(Protocol):
    """What a database needs done again and again by one process, on a thread that may wait."""

    def tend(self) -> float:
        """Do what is due; seconds until the next time. Raises what the database does."""

    def close(self) -> None:
        """No more of it. ``tend`` may go on with it all the same."""


class Snapshot(NamedTuple):
    """The transaction that has been open for the longest: for how many seconds, and whose it is."""

    seconds: float
    pid: int
    name: str


@dataclass
class Figures:
    """``oldest`` is None where no transaction is open, or nobody looks."""

    runs: int = 0
    seconds: float = 0.0
    oldest: Snapshot | None = None

    @property
    def held_back(self) -> str | None:
        """What to say of a transaction that has been open for too long: dead rows that it might still see cannot go."""
        oldest = self.oldest
        if oldest is None or oldest.seconds < LONG:
            return None
        return f"{oldest.name} (pid {oldest.pid}) has had a transaction open for {oldest.seconds:.0f} s"


figures = Figures()
