"""How often a sign-in may be tried: counted in this process, bounded, forgotten after a while."""

from __future__ import annotations

import threading
import time

from brokerweb.core.addresses import bucket
from brokerweb.core.errors import RateLimited

WINDOW = 300.0  # seconds
PER_NAME, PER_ADDRESS = 10, 50  # failures in a window
_MOST = 10_000


class SignInLocked(RateLimited):
    """Too many failed sign-ins; try again later, or use a sign-in link."""

    retry_after = int(WINDOW)


class Attempts:
    """Failures by user name and address, and by address alone.

    By name alone nobody is locked out: that would let anyone keep the administrator out. An attempt counts before
    the password is looked at, so that a thousand at once are not all let through.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], tuple[int, float]] = {}  # -> failures, end of the window
        self._mutex = threading.Lock()

    def begin(self, name: str, address: str) -> None:
        """Count an attempt as failed until ``succeeded``. Raises SignInLocked beyond the limit."""
        network, now = bucket(address), time.monotonic()
        limits = {(name.casefold()[:200], network): PER_NAME, ("", network): PER_ADDRESS}
        with self._mutex:
            for key, limit in limits.items():
                if self._failures(key, now) >= limit:
                    raise SignInLocked
            for key in limits:
                self._count(key, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of that name there; the address's count loses this attempt alone."""
        network = bucket(address)
        with self._mutex:
            self._counts.pop((name.casefold()[:200], network), None)
            count, until = self._counts.get(("", network), (0, 0.0))
            if count:
                self._counts["", network] = (count - 1, until)

    def clear(self) -> None:
        with self._mutex:
            self._counts.clear()

    def _failures(self, key: tuple[str, str], now: float) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if now < until else 0

    def _count(self, key: tuple[str, str], now: float) -> None:
        count, until = self._counts.pop(key, (0, 0.0))
        self._counts[key] = (count + 1, until) if now < until else (1, now + WINDOW)
        while len(self._counts) > _MOST:
            del self._counts[next(iter(self._counts))]
