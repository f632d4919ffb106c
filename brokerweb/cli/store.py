"""``brokerweb backup`` and ``restore``: they open the store itself, and need no token."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from brokerweb import conf
from brokerweb.cli import doctor, exits, local
from brokerweb.cli.settings import Yes, confirm

File = Annotated[Path, typer.Argument(help="A file of SQLite's.", dir_okay=False)]
BESIDE = ("", "-wal", "-shm", ".mark")  # of a database: what is put aside together
MISSING = "INSERT INTO sqlite_sequence (name, seq) SELECT ?1, ?2 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = ?1)"
POSTGRES = "the broker stores in PostgreSQL: use pg_dump and pg_restore, as docs/operations.md says"


def backup(file: File, force: Annotated[bool, typer.Option("--force", help="Replace the file if it is there.")] = False) -> None:
    """Copy the store to a file, while the broker runs too.

    One state, checked, there whole or not at all. It opens the store itself: run it where the data directory is.
    """
    if file.exists() and not force:
        exits.fail(f"{file} is there already; --force replaces it")
    found = _files()
    with _part_of(file) as part:
        _copy(found.database, part)
        _check(part)
        _put(part, file)
    exits.note(f"{found.database} copied to {file}, {file.stat().st_size:,} bytes; secret.key is not in it.")


def restore(file: File, yes: Yes = False) -> None:
    """Put a backup in the store's place.

    What is there is put aside. No broker may run on it.
    Messages published since the backup are gone, and those acknowledged since come back; ids go on from where they were.
    """
    from brokerweb.servers.lock import AlreadyRunning, only_server

    if not file.exists():
        exits.fail(f"{file} is not there", exits.NOT_FOUND)
    _check(file)
    found = _files(begin=True)
    there = found.database.exists()
    confirm(f"Put {file} in the place of {found.database}{', which is put aside' if there else ''}?", yes=yes)
    try:
        with only_server(found), _part_of(found.database) as part:
            _copy(file, part)  # whole, before anything is put aside for it
            counted = not there or _go_on_counting(part, found.database)
            aside = _put_aside(found.database) if there else None
            _put(part, found.database)
    except AlreadyRunning as error:
        exits.fail(f"{error}; stop it first")
    except conf.BadOption as error:
        exits.fail(str(error))
    exits.note(f"{found.database} is as {file} was." + (f" What was there is {aside}." if aside else ""))
    if not counted:
        exits.note("What was there cannot be read: ids that it gave since the backup are given again, and so are receipts.")
    exits.note("Restart consumers, too: receipts of before are of no use any more.")


@contextmanager
def _part_of(place: Path) -> Iterator[Path]:
    """A file beside, for its owner alone, to take that place; gone in the end. Ends the command where it cannot be written."""
    from brokerweb.storage.driver import sqlite

    part = place.with_name(place.name + ".part")
    try:
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        yield part
    except OSError as error:
        exits.fail(f"{place}: {error.strerror or error}")
    except sqlite.Error as error:
        exits.fail(f"{place}: {error}")
    finally:
        for ending in ("", "-wal", "-shm"):
            part.with_name(part.name + ending).unlink(missing_ok=True)


def _copy(source: Path, part: Path) -> None:
    with closing(_opened(source)) as store, closing(_opened(part)) as copy:
        store.execute("PRAGMA wal_autocheckpoint = 0")  # that is the broker's affair
        store.backup(copy)


def _files(*, begin: bool = False) -> Any:
    """Of the store. Ends the command where it is none of SQLite's, or there is none."""
    if not local.set_up(begin=begin):
        exits.fail("no server has run in this data directory (BROKERWEB_DATA)", exits.NOT_FOUND)
    from django.db import connection

    from brokerweb.storage.files import files_of

    try:
        found = files_of(connection)
    except conf.BadOption as error:
        exits.fail(str(error))
    if found is None:
        exits.fail(POSTGRES)
    if not begin and not found.database.exists():
        exits.fail(f"{found.database} is not there", exits.NOT_FOUND)
    return found


def _opened(path: Path) -> Any:
    """A connection to a file that is there, with the SQLite that the broker has."""
    from brokerweb.storage.driver import sqlite

    try:
        return sqlite.connect(f"{path.absolute().as_uri()}?mode=rw" if path.exists() else str(path), uri=path.exists())
    except sqlite.Error as error:
        exits.fail(f"{path}: {error}")


def _check(path: Path) -> None:
    """Ends the command where the file is no sound store."""
    from brokerweb.storage.driver import sqlite

    try:
        with closing(_opened(path)) as copy:
            [said] = copy.execute("PRAGMA integrity_check(1)").fetchone()
            ours = copy.execute("SELECT 1 FROM sqlite_master WHERE name = 'brokerweb_queues_message'").fetchone()
    except sqlite.Error as error:
        exits.fail(f"{path} is no sound database: {error}")
    if said != "ok":
        exits.fail(f"{path} is damaged: {said}")
    if ours is None:
        exits.fail(f"{path} is no store of brokerweb's")


def _put(part: Path, place: Path) -> None:
    from brokerweb.core import durable

    durable.sync(part)
    part.replace(place)
    durable.sync(place.absolute().parent)


def _put_aside(database: Path) -> Path:
    stamp = time.strftime(".before-%Y%m%d-%H%M%S")
    for ending in BESIDE:
        path = database.with_name(database.name + ending)
        if path.exists():
            path.rename(database.with_name(database.name + stamp + ending))
    return database.with_name(database.name + stamp)


def _go_on_counting(part: Path, before: Path) -> bool:
    """Ids that were given since the backup are given to nobody else: an old receipt must not fit a new lease.

    False where what was there cannot be read, which may be why there is a restore.
    """
    from brokerweb.storage.driver import sqlite

    try:
        with closing(_opened(before)) as old:
            given = old.execute("SELECT name, seq FROM sqlite_sequence").fetchall()
    except sqlite.Error:
        return False
    with closing(_opened(part)) as copy:
        copy.executemany("UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1", given)
        copy.executemany(MISSING, given)
        copy.commit()
    return True


COMMANDS: tuple[Callable[..., Any], ...] = (backup, restore, doctor.doctor)
