"""A machine whose clocks a test moves: time passes on all of them, the wall is set, the machine sleeps or is started anew."""

from __future__ import annotations

import pytest
from django.utils import timezone

from brokerweb.core import clock, machine

START = 1_900_000_000 * clock.SECOND  # of the wall, in 2030


class Machine:
    """``installed`` as what ``clock`` and ``machine`` read."""

    def __init__(self, wall: int = START) -> None:
        self.wall, self.awake, self.slept, self.boot = wall, 1000 * clock.SECOND, 0, "first"
        self.tells = True  # of its starts and its sleep

    def installed(self, patch: pytest.MonkeyPatch) -> Machine:
        patch.setattr(clock, "wall", lambda: self.wall)
        patch.setattr(timezone, "now", lambda: clock.to_datetime(self.wall))  # by which Django ends sessions
        patch.setattr(clock, "monotonic", lambda: self.awake)
        patch.setattr(machine, "boot", lambda: self.boot if self.tells else None)
        patch.setattr(machine, "up", lambda: self.awake + self.slept if self.tells else 0)
        patch.setattr(machine, "slept", lambda: self.slept if self.tells else 0)
        return self

    def pass_time(self, seconds: float) -> None:
        self.awake += clock.seconds(seconds)
        self.wall += clock.seconds(seconds)

    def set_wall(self, seconds: float) -> None:
        """Somebody sets the wall so far forward, or back."""
        self.wall += clock.seconds(seconds)

    def sleep(self, seconds: float) -> None:
        """The lid is shut for a while."""
        self.wall += clock.seconds(seconds)
        self.slept += clock.seconds(seconds)

    def start_again(self, seconds: float = 60) -> None:
        """It is switched off for a while."""
        self.wall += clock.seconds(seconds)
        self.awake, self.slept, self.boot = clock.seconds(5), 0, self.boot + "+"
