"""Files that outlive a power cut: what is written counts once it was synced, and a name once its directory was."""

from __future__ import annotations

import errno
import os
from pathlib import Path


def sync(path: Path) -> None:
    """Bring a file, or the names in a directory, to the disk.

    Not for a file of SQLite's: closing a descriptor of one takes back all locks that this process holds on it.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync a directory
            raise
    finally:
        os.close(descriptor)


def make_directory(path: Path, mode: int) -> None:
    """``path``, readable by whom ``mode`` says, with all that is missing above it. One that is there stays as it is."""
    missing = [place for place in (path, *path.parents) if not place.exists()]
    path.mkdir(parents=True, exist_ok=True, mode=mode)
    for made in reversed(missing):
        sync(made.parent)
