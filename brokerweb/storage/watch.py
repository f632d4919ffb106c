"""Watches a database's files while a broker runs on them, and keeps the mark that tells the next start how this run ended.

SQLite goes on writing into a file that was deleted or replaced, and confirms what nobody will find.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from brokerweb.core import process
from brokerweb.storage import damage, mark, wal
from brokerweb.storage.files import Files, hold

log = logging.getLogger(__name__)


class Watch:
    """``open`` and ``begin`` once the run's first commit is stored, ``look`` and ``note`` while it lasts, ``end`` after its last.

    It keeps a connection of its own, so that the log stays one file from begin to end: SQLite removes it with the last one.
    """

    def __init__(self, files: Files, connection: Any) -> None:
        self.files = files
        self._connection = connection.copy()
        self._known: dict[Path, os.stat_result] = {}
        self._database = -1  # its descriptor
        self._largest = 0
        self._page = 0
        self._taken_in_at = 0
        self._short_before = False

    def open(self) -> None:
        """From here on the files are to stay what they are. Raises OSError and DatabaseError."""
        self._database = hold(self.files.database)
        self._connection.inc_thread_sharing()
        self._connection.ensure_connection()
        raw = self._connection.connection
        with self._connection.wrap_database_errors:
            raw.execute("SELECT count(*) FROM sqlite_master").fetchone()  # SQLite opens the log at the first look
            (self._page,) = raw.execute("PRAGMA page_size").fetchone()
        for path in (self.files.database, self.files.log, self.files.index):
            if path.exists():
                self._known[path] = path.stat()
        self._largest = self._known[self.files.database].st_size
        damage.watch(self.glance)

    def begin(self, seen_at: int) -> None:
        """Note that the run is under way. Raises OSError."""
        self._mark(running=True, seen_at=seen_at, sync=True)

    def note(self, seen_at: int) -> None:
        """A heartbeat was stored. Raises OSError."""
        self._mark(running=True, seen_at=seen_at, sync=False)

    def look(self) -> str | None:
        """What is wrong with the files, or None."""
        wrong = self.glance()
        if wrong is None and self._log_is_short():
            return f"{self.files.log} was truncated while it was open"
        return wrong

    def glance(self) -> str | None:
        """What is wrong as far as that can be told without SQLite, on any thread."""
        if self._database_is_short():  # first: SQLite removes the log of one that is empty
            return f"{self.files.database} was truncated while it was open"
        for path, opened in self._known.items():
            try:
                now = path.stat()
            except FileNotFoundError:
                return f"{path} was deleted while it was open"
            if not os.path.samestat(now, opened):
                return f"{path} was replaced while it was open"
        return None

    def taken_in(self) -> bool:
        """Whether a checkpoint has written to the database since this was last asked: what it took in could be lost unseen
        with the log, until a heartbeat is stored that is not in the database yet.
        """
        before, self._taken_in_at = self._taken_in_at, self.files.database.stat().st_mtime_ns
        return self._taken_in_at != before

    def end(self, seen_at: int) -> None:
        """Note that the run has ended well, where the database then needs no log any more. Raises OSError and DatabaseError."""
        if self._connection.connection is None:
            return
        with self._connection.wrap_database_errors:
            busy, frames, taken_in = self._connection.connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        whole = not busy and frames == taken_in
        if not whole:
            log.warning("the database is in use elsewhere: it needs its log %s", self.files.log)
        self._mark(running=not whole, seen_at=seen_at, sync=True)
        damage.watch(None)  # the last connection removes the log
        self._connection.close()

    def _mark(self, *, running: bool, seen_at: int, sync: bool) -> None:
        logged = self.files.log in self._known
        mark.write(self.files.mark, mark.Mark(running, seen_at, process.boot(), logged), sync=sync)

    def _database_is_short(self) -> bool:
        """Whether it has shrunk below the size that it states itself; VACUUM makes it shrink, and state it."""
        size = os.fstat(self._database).st_size
        if size >= self._largest:
            self._largest = size
            return False
        header = os.pread(self._database, 32, 0)
        if size < int.from_bytes(header[28:32], "big") * self._page or len(header) < 32:
            return True
        self._largest = size
        return False

    def _log_is_short(self) -> bool:
        """Whether the log has fewer bytes than frames, twice in a row: one that is emptied in order is seen so for a moment."""
        if self.files.log not in self._known:
            return False
        before = self.files.log.stat().st_size
        with self._connection.wrap_database_errors:
            frames = wal.frames_in(self._connection) or 0
        size = max(before, self.files.log.stat().st_size)
        short = frames > 0 and size < wal.log_size(frames, self._page)
        twice, self._short_before = short and self._short_before, short
        return twice
