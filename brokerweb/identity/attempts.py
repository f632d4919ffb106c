"""How often a sign-in may be tried: counted in this process, or in the database where nodes share it, for a while."""

from __future__ import annotations

import hashlib
import threading
import time

from django.db import connection

from brokerweb.core import clock
from brokerweb.core.addresses import bucket
from brokerweb.core.errors import RateLimited
from brokerweb.storage.dialects import dialect_of
from brokerweb.storage.run import perform
from brokerweb.storage.statements import Statements
from brokerweb.storage.transaction import Transaction

Q = Statements("brokerweb.identity", "guesses.sql")

WINDOW = 300.0  # seconds
PER_NAME, PER_ADDRESS = 10, 50  # failures in a window
_MOST = 10_000

Key = tuple[str, str]


class SignInLocked(RateLimited):
    """Too many failed sign-ins; try again later, or use a sign-in link."""

    retry_after = int(WINDOW)


class Attempts:
    """Failures by user name and address, and by address alone.

    By name alone nobody is locked out: that would let anyone keep the administrator out. An attempt counts before
    the password is looked at, so that a thousand at once are not all let through.
    """

    def __init__(self) -> None:
        self._counts: dict[Key, tuple[int, float]] = {}  # -> failures, end of the window
        self._mutex = threading.Lock()

    def begin(self, name: str, address: str) -> None:
        """Count an attempt as failed until ``succeeded``. Raises SignInLocked beyond the limit."""
        limits = dict(zip(_keys(name, address), (PER_NAME, PER_ADDRESS), strict=True))
        if _shared():
            perform(begin, limits)
            return
        now = time.monotonic()
        with self._mutex:
            for key, limit in limits.items():
                if self._failures(key, now) >= limit:
                    raise SignInLocked
            for key in limits:
                self._count(key, now)

    def succeeded(self, name: str, address: str) -> None:
        """Forget the failures of that name there; the address's count loses this attempt alone."""
        named, alone = _keys(name, address)
        if _shared():
            perform(succeeded, named, alone)
            return
        with self._mutex:
            self._counts.pop(named, None)
            count, until = self._counts.get(alone, (0, 0.0))
            if count:
                self._counts[alone] = (count - 1, until)

    def clear(self) -> None:
        with self._mutex:
            self._counts.clear()

    def _failures(self, key: Key, now: float) -> int:
        count, until = self._counts.get(key, (0, 0.0))
        return count if now < until else 0

    def _count(self, key: Key, now: float) -> None:
        count, until = self._counts.pop(key, (0, 0.0))
        self._counts[key] = (count + 1, until) if now < until else (1, now + WINDOW)
        while len(self._counts) > _MOST:
            del self._counts[next(iter(self._counts))]


def _keys(name: str, address: str) -> tuple[Key, Key]:
    """What is counted: the name at that address, and the address."""
    network = bucket(address)
    return (name.casefold()[:200], network), ("", network)


def _shared() -> bool:
    return not dialect_of(connection).single_writer


def _digest(key: Key) -> str:
    """No name is stored: people type passwords into the wrong field."""
    return hashlib.sha256("\n".join(key).encode("utf-8", "surrogatepass")).hexdigest()


# Verbs


def begin(tx: Transaction, limits: dict[Key, int]) -> None:
    """Count an attempt against each of the limits. Raises SignInLocked beyond one, and then counts it nowhere."""
    until = tx.now + clock.seconds(WINDOW)
    for key, most in limits.items():
        [(failures,)] = tx.returning(Q.guess, _digest(key), tx.now, until, most)
        if failures > most:
            raise SignInLocked


def succeeded(tx: Transaction, named: Key, alone: Key) -> None:
    """It was none."""
    tx.change(Q.forgive, _digest(named))
    tx.change(Q.take_back, _digest(alone))


def forget(tx: Transaction) -> int:
    """Drop counts whose window is over; how many."""
    return tx.change(Q.forget_guesses, tx.now)


def forget_old() -> None:
    """Drop counts in the database whose window is over."""
    if _shared():
        perform(forget)
