"""The secret key: given, or made at first use and kept with the data. In a directory its owner alone can read it; in a database
all nodes have the same.
"""

from __future__ import annotations

import os
import secrets
import tempfile
from functools import cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import lazy

from brokerweb.conf import BadOption, Conf, unusable
from brokerweb.core import durable


def of(options: Conf) -> str:
    """The key of these options. That of a database is read when it is first used, which is after Django's settings."""
    if options.secret_key:
        return options.secret_key
    return _in_database() if options.database_url else secret_key(options.data)


@cache
def kept_in_database() -> str:
    """The key that the default database has, and all nodes with it. Raises ImproperlyConfigured where it cannot be read."""
    from django.db import Error, connection

    def stored() -> str | None:
        cursor.execute("SELECT value FROM brokerweb_cluster_secret WHERE name = 'key'")
        row = cursor.fetchone()
        return row and str(row[0])

    try:
        with connection.cursor() as cursor:
            if (key := stored()) is None:  # of nodes that start at once, one's is stored
                made = secrets.token_urlsafe(48)
                cursor.execute(
                    "INSERT INTO brokerweb_cluster_secret (name, value) VALUES ('key', %s) ON CONFLICT DO NOTHING", [made]
                )
                key = stored() or made
            return key
    except Error as error:
        raise ImproperlyConfigured(
            f"the secret key is in the database, which serve or migrate prepares, and cannot be read: {error}"
        ) from error


_in_database = lazy(kept_in_database, str)


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
    descriptor, temporary = tempfile.mkstemp(dir=path.parent)  # mkstemp makes files of mode 0600
    try:
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(descriptor)  # before it has its name: no power cut leaves an empty key under it
        os.link(temporary, path)  # fails where another process was first: whole or not at all
        durable.sync(path)
        durable.sync(path.parent)
    except FileExistsError:
        pass
    finally:
        os.unlink(temporary)
