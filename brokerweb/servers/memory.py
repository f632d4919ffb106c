"""How the C library keeps memory that was freed, for the whole process.

Frames are built and dropped in pieces of half a MiB. glibc by itself gives such pieces back to the kernel and asks for them
again, and touching new pages costs more than what is written to them: a third of the rate of a replay.
"""

from __future__ import annotations

import ctypes
import os

MIB = 1024 * 1024
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
