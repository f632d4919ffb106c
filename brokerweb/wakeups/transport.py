"""What carries hints between processes. A new one is a module beside this, and a line in ``choosing``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class Unreachable(Exception):
    """The server could not be told, or not be heard; the text says why, for the log."""


class Sending(Protocol):
    """A connection on which hints are told."""

    def send(self, text: bytes) -> None:
        """Tell everybody who listens. Takes a second or so at most. Raises Unreachable."""

    def close(self) -> None:
        """Give the connection up, whatever state it is in."""


class Listening(Protocol):
    """A connection on which hints are heard."""

    def hear(self, seconds: float) -> Sequence[bytes]:
        """What came; nothing after so many seconds in which nothing did. Raises Unreachable."""

    def close(self) -> None:
        """Give the connection up, whatever state it is in."""


class Transport(Protocol):
    """One way to carry hints."""

    name: str  # of the server, as people know it

    def sending(self) -> Sending:
        """A new connection. Raises Unreachable."""

    def listening(self) -> Listening:
        """A new connection that hears all that is told from now on. Raises Unreachable."""
