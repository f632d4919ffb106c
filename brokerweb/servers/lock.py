"""One server a database: a lock that the kernel gives back however its holder ends."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from brokerweb.conf import unusable
from brokerweb.core import durable
from brokerweb.storage import disk
from brokerweb.storage.files import Files

NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
PATIENCE = 0.3  # seconds: whoever only asks whether a server is there holds the lock for a moment


class AlreadyRunning(Exception):
    """Another server uses this database."""


@contextmanager
def only_server(files: Files) -> Iterator[Callable[[str, str], None]]:
    """Hold the database's lock, and yield what notes in it under which URL people reach the server, and where it listens.

    Raises AlreadyRunning where another server holds it, BadOption where nobody can.
    """
    try:
        durable.make_directory(files.lock.parent, 0o700)
        descriptor = _locked(files)
    except OSError as error:
        raise unusable(files.shown, error, named_by=files.named_by) from error
    try:
        yield lambda url, here: _note(descriptor, str(os.getpid()), url, here)
    finally:
        _note(descriptor)
        os.close(descriptor)


def url_of_server(files: Files) -> str | None:
    """Under which URL people reach the database's server, as it noted itself."""
    return _noted(files, 1)


def address_of_server(files: Files) -> str | None:
    """Under which URL programs on its machine reach the database's server, whatever stands between it and people."""
    return _noted(files, 2)


def _noted(files: Files, line: int) -> str | None:
    try:
        return files.lock.read_text().split("\n")[line] or None
    except (OSError, IndexError):
        return None


def is_held(files: Files) -> bool:
    """Whether a server holds the lock now."""
    try:
        descriptor = os.open(files.lock, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _locked(files: Files) -> int:
    """The descriptor of the lock, which counts only while it is the one that the others would find."""
    while True:
        descriptor = os.open(files.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _take(descriptor, files)
            if os.path.samestat(os.fstat(descriptor), files.lock.stat()):
                return descriptor
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)  # removed or replaced meanwhile


def _take(descriptor: int, files: Files) -> None:
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError as error:
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 100, 0).decode().partition("\n")[0] or "unknown"
                raise AlreadyRunning(f"another server (process {holder}) uses {files.shown}") from error
            time.sleep(PATIENCE / 10)
    _note(descriptor, str(os.getpid()))


def _note(descriptor: int, *lines: str) -> None:
    """Written over what is there. No start fails because a full disk has no room for it."""
    text = "\n".join(lines).encode()
    for _ in range(2):
        try:
            os.pwrite(descriptor, text, 0)
            os.truncate(descriptor, len(text))
            return
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            disk.of().make_way(disk.STEP)
