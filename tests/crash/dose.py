"""How many rounds a run has, how long each is, and its dice: few and short in `make test`, the full numbers by `make crash`."""

from __future__ import annotations

import os
import random

SHARE = int(os.environ.get("BROKERWEB_CRASH_ROUNDS", 0)) / 60  # of the full run


def rounds(quick: int, full: int) -> int:
    """How many rounds a fault gets: ``quick`` in the test command, ``full`` by ``make crash``.

    BROKERWEB_CRASH_ROUNDS says how many of 60; 60 is the full run, 20 a third of each fault's full count.
    """
    return max(quick, round(full * SHARE))


def pause(dice: random.Random) -> float:
    """Seconds of traffic before a fault; where rounds are many, a backlog and a long log have time to grow."""
    return dice.uniform(0, 4 if SHARE else 0.5)


def seed() -> int:
    """The seed of this run; BROKERWEB_CRASH_SEED repeats one."""
    return int(os.environ.get("BROKERWEB_CRASH_SEED", random.randrange(1_000_000)))
