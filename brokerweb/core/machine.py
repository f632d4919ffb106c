"""What the machine tells of its own time: which of its starts this is, how long ago that was, and how long it has slept.

None of it has to do with the wall clock. Linux tells all of it; where a machine does not, ``None`` and 0 say so.
"""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path

_WITH_SLEEP: int | None = getattr(time, "CLOCK_BOOTTIME", None)  # goes on in the machine's sleep, as the monotonic one does not
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot() -> str | None:
    """A name of this start of the machine, which no other has."""
    try:
        return _BOOT_ID.read_text().strip() if _WITH_SLEEP is not None else None
    except OSError:
        return None


def up() -> int:
    """How long the machine has been up, sleep included, in microseconds."""
    return 0 if _WITH_SLEEP is None else time.clock_gettime_ns(_WITH_SLEEP) // 1000


def slept() -> int:
    """For how much of that it slept."""
    return 0 if _WITH_SLEEP is None else up() - time.monotonic_ns() // 1000
