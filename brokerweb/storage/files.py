"""A SQLite database's files: its own, and the two that brokerweb keeps beside it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from brokerweb import conf

_held: dict[Path, int] = {}


@dataclass(frozen=True)
class Files:
    """All of them follow from where the database really is: two ways to one database lead to one lock."""

    database: Path

    @property
    def log(self) -> Path:
        return self._beside("-wal")

    @property
    def index(self) -> Path:
        """Of the log: shared memory of all that have the database open."""
        return self._beside("-shm")

    @property
    def lock(self) -> Path:
        """Held by the server."""
        return self.database.with_name("lock") if self._in_data else self._beside(".lock")

    @property
    def mark(self) -> Path:
        """How the last run ended."""
        return self._beside(".mark")

    @property
    def shown(self) -> Path:
        """What people know the data by: the data directory, or else the database."""
        return self.database.parent if self._in_data else self.database

    @property
    def named_by(self) -> str:
        """The setting that says where they are."""
        return "BROKERWEB_DATA" if self._in_data else "DATABASES"

    @property
    def _in_data(self) -> bool:
        return self.database.name == conf.DATABASE

    def _beside(self, ending: str) -> Path:
        return self.database.with_name(self.database.name + ending)


def path_of(name: str) -> Path | None:
    """Where a SQLite database really is, by the NAME of its settings; None for one in memory."""
    path, memory = name, name in ("", ":memory:")
    if name.startswith("file:"):
        parts = urlsplit(name)
        path, memory = unquote(parts.path), parts.path in ("", ":memory:") or "mode=memory" in parts.query
    return None if memory else Path(os.path.realpath(path))


def files_of(connection: Any) -> Files | None:
    """Where a Django connection's database is; None for one that is no SQLite. Raises BadOption for one in memory."""
    if connection.vendor != "sqlite":
        return None
    path = path_of(str(connection.settings_dict["NAME"]))
    if path is None:
        raise conf.BadOption("DATABASES: the default database is in memory, where nothing outlives the process: name a file")
    return Files(path)


def hold(path: Path) -> int:
    """A descriptor of one of SQLite's files, open for as long as the process lives. Raises OSError.

    Closing any descriptor of a file takes back all POSIX locks that the process has on it, SQLite's too.
    """
    descriptor = _held.get(path)
    if descriptor is None or not os.path.samestat(os.fstat(descriptor), path.stat()):
        descriptor = _held[path] = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    return descriptor
