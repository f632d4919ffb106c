"""The secret key of a data directory: made at first use, readable by its owner alone."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from brokerweb.conf import BadOption, unusable
from brokerweb.core import durable


def secret_key(directory: Path) -> str:
    """The key kept in ``directory``; several processes that start at once agree on one. Raises BadOption."""
    try:
        return _kept_or_created(directory / "secret.key")
    except OSError as error:
        raise unusable(directory, error) from error


def _kept_or_created(path: Path) -> str:
    try:
        key = path.read_text(errors="replace").strip()
    except FileNotFoundError:
        _create(path)
        key = path.read_text().strip()
    if not key:
        raise BadOption(
            f"BROKERWEB_DATA: {path.absolute()} is empty: restore it, or remove it for a new key, which ends sessions"
        )
    return key


def _create(path: Path) -> None:
    durable.make_directory(path.parent, 0o700)
    with _alone_in(path.parent):
        if path.exists():
            return
        descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes files of mode 0600
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(descriptor)  # before it has its name: no power cut leaves an empty key under it
        os.rename(temporary, path)
        durable.sync(path.parent)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Of several processes that start at once, one makes the key."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
