"""How long a failed message waits."""

from __future__ import annotations

import pytest

from brokerweb.core.backoff import Backoff
from brokerweb.core.clock import seconds

BACKOFF = Backoff(initial=1, factor=2, maximum=10, jitter=0.5)


@pytest.mark.parametrize(("rand", "share"), [(0, 0.5), (0.5, 1), (0.75, 1.25)])
def test_waits_are_spread_either_way(rand: float, share: float) -> None:
    assert [BACKOFF.delay(failures, rand) for failures in (1, 2, 3)] == [seconds(base * share) for base in (1, 2, 4)]


def test_no_wait_is_longer_than_the_longest() -> None:
    waits = [BACKOFF.delay(failures, rand / 100) for failures in range(4, 8) for rand in range(100)]
    assert seconds(4) <= min(waits) <= max(waits) == seconds(10)
    assert waits.count(seconds(10)) < 10, "and they stay spread"
