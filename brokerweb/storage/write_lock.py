"""A fair lock around SQLite's one writer, for all connections of this process.

SQLite's own busy handler sleeps and retries, so that beside a busy writer the others starve until their timeout.
Here the waiters are served in the order they came.
"""

from __future__ import annotations

import threading
from collections import deque


class FairLock:
    """First come, first served. Not re-entrant: the owner is a database connection, which knows whether it holds it."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._held = False
        self._waiting: deque[threading.Lock] = deque()

    def acquire(self, timeout: float = -1) -> bool:
        with self._mutex:
            if not self._held:
                self._held = True
                return True
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        return self._give_up(turn)

    def release(self) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._held = False

    def _give_up(self, turn: threading.Lock) -> bool:
        with self._mutex:
            if turn in self._waiting:
                self._waiting.remove(turn)
                return False
        return True  # the turn came between the timeout and here


_locks: dict[str, FairLock] = {}
_locks_mutex = threading.Lock()


def lock_for(database: str) -> FairLock:
    """The one lock of a database file in this process."""
    found = _locks.get(database)
    if found is None:
        with _locks_mutex:
            found = _locks.setdefault(database, FairLock())
    return found
