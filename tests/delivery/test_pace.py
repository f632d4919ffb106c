"""How many messages a second a subscription is given, by notes that are taken now and then."""

from __future__ import annotations

import pytest

from brokerweb.core import clock
from brokerweb.delivery.pace import EVERY, KEPT, Pace


def test_a_rate_is_of_the_last_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(clock, "monotonic", lambda: int(now[0] * clock.SECOND))
    pace = Pace()
    pace.given += 6
    assert pace.rate() == 6.0, "within its first second that counts as one"
    now[0] += 4
    assert pace.rate() == 1.5, "since it began"
    for n in range(20):  # ten a second, in bursts
        now[0] += EVERY
        pace.given += 20
        pace.note(clock.monotonic())
        assert n < KEPT or pace.rate() == 10.0
    now[0] += EVERY
    assert pace.rate() == round(20 * (KEPT - 1) / (EVERY * KEPT), 2), "what was given ten seconds ago still counts"
    for _ in range(KEPT):
        pace.note(clock.monotonic())
    assert pace.rate() == 0.0
