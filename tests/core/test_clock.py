"""The broker's clock beside one of the wall that is set."""

from __future__ import annotations

import time

import pytest

from brokerweb.core import clock

HOUR = 3600 * clock.SECOND


@pytest.mark.parametrize("step", [HOUR, -2 * HOUR])
def test_a_step_of_the_wall_moves_no_instant(monkeypatch: pytest.MonkeyPatch, step: int):
    running = clock.Clock()
    before, wall = running.now(), time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: wall() + step * 1000)
    assert 0 <= running.now() - before < HOUR


def test_a_clock_behind_what_is_stored_starts_there():
    running = clock.Clock()
    newest = running.now() + HOUR
    running.not_before(newest)
    assert 0 <= running.now() - newest < HOUR
    running.not_before(newest - HOUR)
    assert running.now() >= newest
