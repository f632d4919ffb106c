"""One server a data directory: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class AlreadyRunning(Exception):
    """Another server uses this data directory."""


@contextmanager
def only_server(directory: Path) -> Iterator[None]:
    """Hold the directory's lock. Raises AlreadyRunning where another server holds it."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AlreadyRunning(f"another server (process {file.read().strip() or 'unknown'}) uses {directory}") from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
