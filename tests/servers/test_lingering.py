"""How long a connection stays on which the last word is said. What its clients see of it is in tests/faces."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from brokerweb.servers.lingering import LONGEST, SILENCE, Lingering


class Timers:
    """An event loop whose time is moved."""

    def __init__(self) -> None:
        self.now = 0.0
        self.due: dict[float, Callable[[], None]] = {}

    def time(self) -> float:
        return self.now

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timers:
        self.due[self.now + seconds] = call
        return self

    def cancel(self) -> None:
        self.due.clear()

    def move(self, to: float) -> None:
        while self.due and min(self.due) <= to:
            self.now = min(self.due)
            self.due.pop(self.now)()
        self.now = to


@pytest.fixture
def timers(monkeypatch: pytest.MonkeyPatch) -> Timers:
    timers = Timers()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: timers)
    return timers


@pytest.fixture
def ended() -> list[bool]:
    return []


@pytest.fixture
def lingering(timers: Timers, ended: list[bool]) -> Lingering:
    return Lingering(lambda: ended.append(True))


def test_it_ends_when_nothing_more_is_heard(timers: Timers, lingering: Lingering, ended: list[bool]) -> None:
    timers.move(SILENCE / 2)
    lingering.heard()
    timers.move(SILENCE * 1.5)
    assert not ended
    timers.move(SILENCE * 2)
    assert ended == [True]


def test_it_ends_whatever_is_heard(timers: Timers, lingering: Lingering, ended: list[bool]) -> None:
    for second in range(int(LONGEST)):
        timers.move(second)
        lingering.heard()
        assert not ended
    timers.move(LONGEST)
    assert ended == [True]


def test_it_ends_nothing_once_the_connection_has_ended(timers: Timers, lingering: Lingering, ended: list[bool]) -> None:
    lingering.cancel()
    timers.move(2 * LONGEST)
    assert not ended
