"""Three nodes under traffic while nodes, database, Valkey and wires fail: nothing confirmed is lost, and nothing comes back."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster_faults.campaign import Both
from tests.crash.dose import SHARE, rounds

AT_ONCE = 5  # faults of a run in the test command

pytestmark = [pytest.mark.long, pytest.mark.timeout(14_400 if SHARE else 300)]


def test_whatever_fails_nothing_confirmed_is_lost_and_nothing_comes_back(both: Both, tmp_path: Path) -> None:
    both.open()
    both.traffic()
    faults = both.cluster.faults()
    for n in range(rounds(AT_ONCE, 240)):
        if n % len(faults) == 0:
            both.cluster.dice.shuffle(faults)
        both.suffer(faults[n % len(faults)])
    both.close(tmp_path / "copy")
