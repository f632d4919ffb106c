"""The key that signs sessions: on PostgreSQL it is in the database, with SQLite in a file beside it. People stay signed in."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from brokerweb import conf
from brokerweb.cluster.models import Secret
from brokerweb.core import durable
from brokerweb.storage.files import files_of

NAME, FILE = "key", "secret.key"


def carry(source: Any, target: Any) -> None:
    """The target has the source's key, where that has one. A database of a project's own has none: the project's settings do."""
    key = _key(source)
    if key is None:
        return
    beside = _file(target)
    if beside is not None:
        _write(beside, key)
    elif target.vendor == "postgresql":
        Secret.objects.using(target.alias).update_or_create(name=NAME, defaults={"value": key})


def _key(connection: Any) -> str | None:
    if connection.vendor == "postgresql":
        found = Secret.objects.using(connection.alias).filter(name=NAME).first()
        return found.value if found else None
    beside = _file(connection)
    return beside.read_text().strip() or None if beside is not None and beside.exists() else None


def _file(connection: Any) -> Path | None:
    files = files_of(connection)
    return files.database.with_name(FILE) if files is not None and files.database.name == conf.DATABASE else None


def _write(path: Path, key: str) -> None:
    """Whole or not at all, and readable by its owner alone."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    os.replace(temporary, path)
    durable.sync(path.parent)
