"""How long a failed message waits before it is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from brokerweb.core.clock import seconds


@dataclass(frozen=True, slots=True)
class Backoff:
    """``initial * factor ** (failures - 1)``, spread by ``jitter`` (a share) either way, at most ``maximum``; seconds."""

    initial: float = 1
    factor: float = 2
    maximum: float = 3600
    jitter: float = 0.15

    def delay(self, failures: int, rand: float | None = None) -> int:
        """Microseconds to wait after the ``failures``-th failure; ``rand`` in [0, 1) makes it exact."""
        try:
            base = min(self.initial * self.factor ** max(0, failures - 1), self.maximum)
        except OverflowError:
            base = self.maximum if self.initial else 0
        spread = (random.random() if rand is None else rand) * 2 - 1
        wait = base * (1 + self.jitter * spread)
        return max(0, seconds(min(wait, 2 * self.maximum - wait)))  # mirrored: cut off, half of them would wait the same
