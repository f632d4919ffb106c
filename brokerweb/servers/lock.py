"""One server a data directory: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from brokerweb.conf import unusable
from brokerweb.storage import disk


class AlreadyRunning(Exception):
    """Another server uses this data directory."""


@contextmanager
def only_server(directory: Path) -> Iterator[Callable[[str], None]]:
    """Hold the directory's lock, and yield what notes in it under which URL the server is reached.

    Raises AlreadyRunning where another server holds it, BadOption where nobody can.
    """
    try:
        descriptor = _locked(directory)
    except OSError as error:
        raise unusable(directory, error) from error
    try:
        yield lambda url: _note(descriptor, str(os.getpid()), url)
    finally:
        _note(descriptor)
        os.close(descriptor)


def url_of_server(directory: Path) -> str | None:
    """Under which URL the directory's server is reached, as it noted itself."""
    try:
        return (directory / "lock").read_text().split("\n")[1] or None
    except (OSError, IndexError):
        return None


def _locked(directory: Path) -> int:
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _take(descriptor, directory)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _take(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(descriptor, 100, 0).decode().partition("\n")[0] or "unknown"
        raise AlreadyRunning(f"another server (process {holder}) uses {directory}") from error
    disk.of().look()  # a full disk has no room for the note itself, until the reserve is given up
    _note(descriptor, str(os.getpid()))


def _note(descriptor: int, *lines: str) -> None:
    """Written over what is there, and never empty: on a full disk the file keeps the block it has. No start fails for it."""
    text = "\n".join(lines).encode() or b"\n"
    try:
        os.pwrite(descriptor, text, 0)
        os.truncate(descriptor, len(text))
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
