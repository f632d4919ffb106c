"""What carries hints between processes. A new one is a module beside this, and a line in ``chosen``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb import conf


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


def chosen() -> Transport | None:
    """What the settings of this process ask for; None on SQLite, where one process serves and others tell it nothing."""
    if connections[DEFAULT_DB_ALIAS].vendor != "postgresql":
        return None
    if url := conf.get().redis_url:
        from brokerweb.wakeups.redis import Redis

        return Redis(url)
    from brokerweb.wakeups.postgres import Postgres

    return Postgres()
