"""Whether a log has all that was committed to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from brokerweb.storage import wal
from brokerweb.storage.driver import sqlite
from brokerweb.storage.files import Files

PAGE = 1024


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Any]:
    """A database with some frames in its log, none of them in the file yet."""
    with closing(sqlite.connect(tmp_path / "running", isolation_level=None)) as connection:
        for statement in (f"PRAGMA page_size={PAGE}", "PRAGMA journal_mode=WAL", "CREATE TABLE kept (n)"):
            connection.execute(statement)
        store(connection, 20)
        yield connection


def store(connection: Any, n: int) -> None:
    for _ in range(n):
        connection.execute("INSERT INTO kept VALUES (randomblob(700))")


def left_of(connection: Any) -> Files:
    """What a kill would leave: looking at the files themselves would take the connection's locks back."""
    (_, _, database) = connection.execute("PRAGMA database_list").fetchone()
    folder = Path(database).with_name("left")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for ending in ("", "-wal", "-shm"):
        shutil.copy(f"{database}{ending}", folder / f"database{ending}")
    return Files(folder / "database")


def cut(files: Files, size: int) -> None:
    os.truncate(files.log, size)


def flip(files: Files, place: int) -> None:
    with files.log.open("r+b") as log:
        log.seek(place)
        (byte,) = log.read(1)
        log.seek(place)
        log.write(bytes([byte ^ 16]))


def used(files: Files) -> int:
    index = wal.read_index(files.index)
    assert index
    assert index.page == PAGE
    return wal.log_size(index.frames, index.page)


@pytest.mark.parametrize(
    "harm",
    [
        lambda files: files.log.unlink(),
        lambda files: cut(files, 0),
        lambda files: cut(files, 20),
        lambda files: cut(files, used(files) - 1),
        lambda files: flip(files, 5),
        lambda files: flip(files, 33),
        lambda files: flip(files, used(files) - 1),
        lambda files: flip(files, used(files) // 2),
    ],
    ids=["removed", "emptied", "half a header", "a byte short", "header", "frame", "last byte", "in the middle"],
)
def test_a_log_that_lacks_something_is_not_whole(running: Any, harm: Callable[[Files], None]):
    files = left_of(running)
    assert wal.is_whole(files)
    harm(files)
    assert not wal.is_whole(files)


def test_what_is_in_the_database_needs_no_log(running: Any):
    running.execute("PRAGMA wal_checkpoint(PASSIVE)")
    files = left_of(running)
    flip(files, 33)
    assert wal.is_whole(files)
    files.log.unlink()
    assert wal.is_whole(files)


def test_only_what_was_committed_since_the_log_began_anew_is_needed(running: Any):
    running.execute("PRAGMA wal_checkpoint(PASSIVE)")
    store(running, 3)
    files = left_of(running)
    assert used(files) < files.log.stat().st_size
    cut(files, used(files))
    assert wal.is_whole(files)
    flip(files, used(files) - 1)
    assert not wal.is_whole(files)


def test_of_a_long_log_the_length_alone_is_looked_at(running: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wal, "_MOST", 100)
    files = left_of(running)
    flip(files, 33)
    assert wal.is_whole(files)
    cut(files, used(files) - 1)
    assert not wal.is_whole(files)


@pytest.mark.parametrize("content", [b"", b"\0" * 40_000, os.urandom(40_000), None])
def test_without_an_index_nothing_is_known(running: Any, content: bytes | None):
    files = left_of(running)
    files.index.unlink()
    if content is not None:
        files.index.write_bytes(content)
    files.log.unlink()
    assert wal.is_whole(files)
