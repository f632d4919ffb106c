"""What memory the whole process keeps: how long the C library keeps what was freed, and what Python need not look through.

Frames are built and dropped in pieces of half a MiB. glibc by itself gives such pieces back to the kernel and asks for them
again, and touching new pages costs more than what is written to them: a third of the rate of a replay. What is kept for them is
full of holes once many clients have come and gone, so that hundreds of MiB would stay: those go back from time to time.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from pathlib import Path

MIB = 1024 * 1024
EVERY = 10.0  # seconds between looks
HOLES = 64 * MIB  # what may be kept beyond the least that was seen, before it is looked for pages that nobody uses
# Parameters of mallopt(3), by their numbers in malloc.h. Up to so much at the top of the heap stays the process's, and only
# what is larger than any frame as a rule comes from the kernel by itself.
_LIMITS = {"MALLOC_TRIM_THRESHOLD_": (-1, 16 * MIB), "MALLOC_MMAP_THRESHOLD_": (-3, 4 * MIB)}


def keep_freed() -> bool:
    """Let freed memory be used again. False where the C library has no such call, as in musl and on macOS.

    What the environment sets by glibc's own variables stays as it is.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    ours = [limit for name, limit in _LIMITS.items() if name not in os.environ]
    taken = [mallopt(parameter, size) for parameter, size in ours]  # 1 for each that is
    return all(taken)


def keep_made() -> None:
    """What was imported and made so far stays until ``let_go``: Python's collector looks through what comes from now on alone.

    A look at all of it holds every thread up for a tenth of a second, and comes when the first thousands of messages do.
    """
    gc.freeze()
    gc.enable()


def let_go() -> None:
    """At the end what was kept may go as well: the store's connections close by it, and the last one takes SQLite's log away."""
    gc.unfreeze()


def resident() -> int | None:
    """This process's resident memory in bytes; None where the kernel does not tell (it is Linux that has ``statm``)."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    except OSError:
        return None


class GivingBack:
    """A duty: pages that nobody uses go back to the kernel once the process has grown by more than ``HOLES``.

    glibc gives back the top of a heap only; malloc_trim(3) finds whole pages in the midst of all heaps. It takes 20 ms for
    100 MiB, without the interpreter's lock, and next to nothing where little is free.
    """

    def __init__(self) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        self._least: int | None = None

    async def tick(self, now: int) -> float:
        size = resident()
        if self._trim is not None and size is not None:
            if self._least is not None and size > self._least + HOLES:
                await asyncio.get_running_loop().run_in_executor(None, self._trim, 0)
                size = resident() or size
            self._least = min(size, self._least or size)
        return EVERY
