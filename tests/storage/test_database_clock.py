"""A node's clock follows the database's, as well as its answers tell."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from brokerweb.storage.postgres.clock import FRESH, KEPT, DatabaseClock

AHEAD = 5_000_000  # of the database, in microseconds


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What the monotonic clock shows."""
    shown = [1_000_000]
    monkeypatch.setattr(clock, "monotonic", lambda: shown[0])
    return shown


def test_the_answer_that_took_least_tells_best(now: list[int]):
    followed = DatabaseClock(now[0] + AHEAD, 0)
    followed.observe(now[0] + AHEAD + 400, now[0] - 500, now[0] + 500)
    followed.observe(now[0] + AHEAD + 10, now[0] - 50, now[0] + 50)
    followed.observe(now[0] + AHEAD - 300, now[0] - 500, now[0] + 500)
    assert followed.now() == now[0] + AHEAD + 10


def test_an_answer_that_contradicts_the_others_is_believed(now: list[int]):
    followed = DatabaseClock(now[0] + AHEAD, 0)
    for _ in range(KEPT):
        followed.observe(now[0] + AHEAD, now[0] - 5, now[0] + 5)
    slept = 60_000_000  # during which this machine's clock stood still
    followed.observe(now[0] + AHEAD + slept, now[0] - 200, now[0] + 200)
    assert followed.now() == now[0] + AHEAD + slept


def test_a_reading_is_enough_for_a_moment(now: list[int]):
    followed = DatabaseClock(now[0] + AHEAD, 0)
    assert not followed.fresh
    followed.observe(now[0] + AHEAD, now[0] - 5, now[0])
    now[0] += FRESH - 1
    assert followed.fresh
    now[0] += 1
    assert not followed.fresh


def test_it_does_not_go_back(now: list[int]):
    followed = DatabaseClock(now[0] + AHEAD, 0)
    before = followed.now()
    followed.observe(now[0], now[0] - 5, now[0] + 5)
    assert followed.now() == before
    now[0] += AHEAD + 7
    assert followed.now() == before + 7
