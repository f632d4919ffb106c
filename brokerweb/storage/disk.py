"""Room on the disk of the database: how much is free, below which limit no new messages are stored, and a reserve.

Messages are refused early, so that what takes them away can always be written. Where something else fills the disk all the
same, the reserve, a file beside the database that holds nothing, is given up for it, and made again once there is room.

- What is free on the disk and what the database's file can fill again count alike: a file keeps its size when messages go.
- Far from the limit nothing is measured. Near it (``tight``) each transaction that stores messages measures once.
- Every writer looks before it writes, in whatever process: whoever comes first gives the reserve up.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb import conf
from brokerweb.core.errors import StoreFull

log = logging.getLogger(__name__)
KIB, MIB = 1024, 1024 * 1024

LEAST_SHARE = 8  # of the limit: less room than this is none, so that a refusal does not depend on a message's size
LIMIT, LIMIT_SHARE = 64 * MIB, 8  # kept free where nobody said how much: at most so much, and such a part of the disk
NEAR, NEAR_SHARE = 512 * MIB, 2  # above the limit, up to which every transaction measures
# Room for a whole log that has yet to go into the file, and for a batch of the committer.
RESERVE, RESERVE_SHARE = 24 * MIB, 10
LOG_PAGES, FEWEST_LOG_PAGES, LOG_SHARE = 4000, 32, 16  # after how many pages the log is taken into the file
PAGE = 4 * KIB
LOOK = 1.0  # seconds that a look at a disk with much room holds good
CALM = 10.0  # seconds after an error of a full disk before the reserve is made again
OVERHEAD = 512  # bytes that a message takes beside its body and headers, with its indexes
ENDLESS = 1 << 60


class Sizes(NamedTuple):
    """Of a database's file, in bytes: what it can fill again, and what it will have when the log is in it."""

    reusable: int
    whole: int


class _Storing(Protocol):
    """What of a ``Transaction`` is needed here."""

    raw: Any
    memo: dict[Any, Any]

    @property
    def dialect(self) -> Any: ...


class _Message(Protocol):
    @property
    def body(self) -> bytes: ...

    @property
    def headers(self) -> str | None: ...


def _weight(messages: Sequence[_Message]) -> int:
    return sum(len(message.body) + len(message.headers or "") + OVERHEAD for message in messages)


class Disk:
    """The disk of one database file; without a file there is room always. Its attributes are as of the last look."""

    def __init__(self, file: Path | None) -> None:
        self.file = file
        self.free: int | None = None
        self.total = 0
        self.limit = 0
        self.tight = file is not None  # close enough to the limit to measure
        self.low = False  # next to nothing is free
        self.strained = False  # there is no reserve: the log is taken into the file at once, while there is room for that
        self.refusing = False  # the last measurement left no room for messages
        self._look_at = 0.0
        self._calm_at = 0.0

    def glance(self) -> None:
        """Look, unless there was much room a moment ago."""
        if self.file is not None and (self.tight or time.monotonic() >= self._look_at):
            self.look()

    def look(self) -> None:
        """See how much is free, and give the reserve up where that is next to nothing."""
        if self.file is None or not self._read():
            return
        if self.low and self.give_up():
            self._read()

    def _read(self) -> bool:
        try:
            found = os.statvfs(self._folder)
        except OSError:  # the folder is not there yet, or no longer
            return False
        self._look_at = time.monotonic() + LOOK
        self.total, self.free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        asked = conf.get().min_free_bytes
        self.limit = min(LIMIT, self.total // LIMIT_SHARE) if asked is None else asked
        self.tight = self.free < self.limit + min(NEAR, self.total // NEAR_SHARE)
        self.low = self.free < self._wanted // 4
        self.strained = self.low or (self.tight and not self.reserved)
        return True

    @property
    def _folder(self) -> Path:
        return Path() if self.file is None else self.file.parent

    @property
    def log_pages(self) -> int:
        """Pages of the log after which it is taken into the file: the log is room as well."""
        if not self.total and (self.file is None or not self._read()):
            return LOG_PAGES
        return max(FEWEST_LOG_PAGES, min(LOG_PAGES, self.total // LOG_SHARE // PAGE))

    @property
    def log_bloated(self) -> bool:
        """Whether the log's file holds much more than it needs, where that is missed."""
        return (self.strained or self.refusing) and self._size("-wal") > self.log_pages * PAGE * 3 // 2

    # Messages

    def check(self, tx: _Storing, messages: Sequence[_Message]) -> None:
        """Raise StoreFull where ``take`` would."""
        if self.tight and messages:
            self._require(tx, _weight(messages))

    def take(self, tx: _Storing, messages: Sequence[_Message]) -> None:
        """These are about to be stored. Raises StoreFull where that would go below the limit."""
        if self.tight and messages:
            size = _weight(messages)
            tx.memo[self] = self._require(tx, size) - size

    def measure(self, tx: _Storing) -> int:
        """Look closely: for how many bytes of messages there is room."""
        self.look()
        room = self._room(tx) if self.tight else ENDLESS
        self.refusing = room <= 0
        return room

    def _require(self, tx: _Storing, size: int) -> int:
        room: int | None = tx.memo.get(self)
        if room is None:
            room = self.measure(tx)
        if size > room:
            raise StoreFull(self._refusal(room, size))
        return room

    def _room(self, tx: _Storing) -> int:
        """How many bytes of messages may be stored: they go into the log first and into the file later, and take room in both."""
        if self.free is None or not self.limit:
            return ENDLESS
        sizes: Sizes = tx.dialect.sizes(tx.raw)
        # The log's room counts as free, whatever it has at the moment, but for what it needs always.
        free = self.free - max(0, sizes.whole - self._size("")) + self._size("-wal")
        # Half the limit must be the disk's own: the file's pages cannot be filled again without a log.
        room = min(free - self.log_pages * PAGE + sizes.reusable - self.limit, free - self.limit // 2) // 2
        return room if room >= self.limit // LEAST_SHARE else 0

    def _refusal(self, room: int, size: int) -> str:
        kept = f"the disk has {_shown(self.free or 0)} free, and {_shown(self.limit)} are kept (BROKERWEB_MIN_FREE_BYTES)"
        more = f", which leaves room for {_shown(room)}, not for {_shown(size)}" if room > 0 else ""
        return (
            f"New messages are refused: {kept}{more}. Consume or purge messages, or make room on the broker's disk; "
            "receiving and settling go on."
        )

    # The reserve

    @property
    def reserve(self) -> Path:
        """The file that holds nothing."""
        return self._folder / f"{self.file.name if self.file else ''}-reserve"

    @property
    def reserved(self) -> int:
        """Bytes of the reserve; 0 while it is given up."""
        return self._size("-reserve")

    @property
    def _wanted(self) -> int:
        return min(RESERVE, self.total // RESERVE_SHARE)

    def give_up(self) -> bool:
        """Remove the reserve; whether there was one."""
        if self.file is None:
            return False
        try:
            self.reserve.unlink()
        except OSError:
            return False
        self._hold_log()
        log.error("the disk of %s is full: the reserve was given up, so that messages can be taken away; make room", self.file)
        return True

    def _hold_log(self) -> None:
        """While there is no reserve the log keeps the room it needs, lest others take it. Nobody reads behind its last frame."""
        held, wanted = self._size("-wal"), self.log_pages * PAGE
        if held < wanted and self._read() and self.free:
            try:
                descriptor = os.open(f"{self.file}-wal", os.O_RDWR | os.O_CLOEXEC)
            except OSError:  # there is none: it is SQLite's to make
                return
            try:
                _fill(descriptor, min(wanted, held + self.free), start=held)
            except OSError:
                pass  # somebody was faster
            finally:
                os.close(descriptor)

    def ran_out(self) -> None:
        """A write found the disk full, whatever the disk says of itself: a quota may be the cause."""
        self._calm_at = time.monotonic() + CALM
        self.give_up()
        self.look()

    def restore(self) -> None:
        """Make the reserve, or make it whole, where that leaves enough free; else see to the log. For the server alone."""
        missing = self._wanted - self.reserved
        if self.file is None or self.free is None or missing <= 0 or time.monotonic() < self._calm_at:
            return
        if self.free - missing >= max(self.limit // 2, self._wanted):
            self._allocate(self._wanted)
        elif not self.reserved:
            self._hold_log()

    def keep_what_is_left(self) -> None:
        """Take what is free as the reserve, if there is none: for the next start, when this server writes no more."""
        self.look()
        if self.file is not None and self.free and not self.reserved:
            self._allocate(min(self._wanted, self.free))

    def _allocate(self, size: int) -> None:
        try:
            descriptor = os.open(self.reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                _fill(descriptor, size)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("no reserve could be made beside %s: %s", self.file, error.strerror)
            self.reserve.unlink(missing_ok=True)

    def _size(self, suffix: str) -> int:
        try:
            return os.stat(f"{self.file}{suffix}").st_size
        except OSError:  # there is none
            return 0


def _fill(descriptor: int, size: int, *, start: int = 0) -> None:
    """Take blocks for the file up to that size, not only the size."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, size - start)
        return
    for place in range(start, size, MIB):
        os.pwrite(descriptor, bytes(min(MIB, size - place)), place)


def _shown(size: int) -> str:
    return f"{size / MIB:.1f} MiB" if size >= MIB else f"{size // KIB} KiB"


_disks: dict[object, Disk] = {}
_disks_mutex = threading.Lock()


def at(name: str | Path) -> Disk:
    """The disk of a database, by the NAME of its settings."""
    found = _disks.get(name)
    if found is None:
        text = str(name)
        with _disks_mutex:
            found = _disks.setdefault(text, Disk(Path(text).absolute() if _is_file(text) else None))
            _disks[name] = found
    return found


def of(using: str = DEFAULT_DB_ALIAS) -> Disk:
    """The disk of one of Django's databases; one with room always where the database is not a file of this machine."""
    connection = connections[using]
    return at(connection.settings_dict["NAME"] if connection.vendor == "sqlite" else "")


def _is_file(name: str) -> bool:
    return bool(name) and name != ":memory:" and not name.startswith("file:")


def tend(tx: _Storing) -> None:
    """A server's look at its disk, again and again: are messages refused, and can a reserve be made?"""
    found = of()
    found.measure(tx)
    found.restore()
