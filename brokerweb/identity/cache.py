"""Principals kept for a moment, so that the hot path asks the store at most every few seconds about a token."""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

from brokerweb.core import clock
from brokerweb.identity.principal import Principal

FRESH = 4.5  # seconds; below the 5 within which every node refuses what was revoked on another
_UNKNOWN_FOR = 2.0  # seconds a wrong token is known to be wrong
_MOST = 4096


class _Entry(NamedTuple):
    read_at: float
    principal: Principal


class PrincipalCache:
    """Maps a token's hash to its principal. Bounded: beyond ``most`` the oldest entries go.

    Readers take no lock: a dictionary lookup is whole. ``generation`` counts revocations, so that one that comes
    between a reading of the store and its entry here is not covered up.
    """

    def __init__(self, *, most: int = _MOST) -> None:
        self.generation = 0
        self._most = most
        self._known: dict[str, _Entry] = {}
        self._unknown: dict[str, float] = {}
        self._mutex = threading.Lock()

    def get(self, digest: str) -> Principal | None:
        """The principal, if it was read at most ``FRESH`` seconds ago and has not expired."""
        entry = self._known.get(digest)
        if entry is None or time.monotonic() - entry.read_at > FRESH:
            return None
        expires_at = entry.principal.expires_at
        return None if expires_at is not None and expires_at <= clock.wall() else entry.principal

    def is_unknown(self, digest: str) -> bool:
        """Whether the store was asked a moment ago, in vain."""
        asked_at = self._unknown.get(digest)
        return asked_at is not None and time.monotonic() - asked_at <= _UNKNOWN_FOR

    def put(self, digest: str, principal: Principal, *, read_at: float, generation: int) -> bool:
        """Keep what was read at ``read_at``, unless something was revoked since: then False, read again."""
        with self._mutex:
            if generation != self.generation:
                return False
            self._known.pop(digest, None)
            self._known[digest] = _Entry(read_at, principal)
            _drop_oldest(self._known, self._most)
            return True

    def put_unknown(self, digest: str) -> None:
        with self._mutex:
            self._known.pop(digest, None)
            self._unknown.pop(digest, None)
            self._unknown[digest] = time.monotonic()
            _drop_oldest(self._unknown, self._most)

    def forget(self, owner: str) -> None:
        """Read that owner's tokens anew from now on."""
        with self._mutex:
            self.generation += 1
            for digest in [digest for digest, entry in self._known.items() if entry.principal.owner == owner]:
                del self._known[digest]

    def clear(self) -> None:
        """Forget everything; a token made a moment ago is found, too."""
        with self._mutex:
            self.generation += 1
            self._known.clear()
            self._unknown.clear()


def _drop_oldest(entries: dict[str, _Entry] | dict[str, float], most: int) -> None:
    while len(entries) > most:
        del entries[next(iter(entries))]
