"""Room on the disk of the database: how much is free, below which limit no new messages are stored, and a reserve.

Messages are refused early, so that what takes them away can always be written. Where something else fills the disk all the
same, the reserve, a file beside the database that holds nothing, is given up for it, and made again once there is room.
Whoever fills the disk may take what is given up before the broker does: near the limit the log already holds the blocks that it
needs, and of the reserve only as much is given up as is about to be written.

- What is free on the disk and what the database's file can fill again count alike: a file keeps its size when messages go.
- Far from the limit nothing is measured. Near it (``tight``) each transaction that stores messages measures once.
- Every writer looks before it writes, in whatever process. Where a write runs out of room all the same, it gives up the rest.
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
from brokerweb.storage.files import hold, path_of

log = logging.getLogger(__name__)
KIB, MIB = 1024, 1024 * 1024

LEAST_SHARE = 8  # of the limit: less room than this is none, so that a refusal does not depend on a message's size
LIMIT, LIMIT_SHARE = 64 * MIB, 8  # kept free where nobody said how much: at most so much, and such a part of the disk
NEAR = 512 * MIB  # above the limit, up to which every transaction measures: what comes in between two looks
# Room for a whole log that has yet to go into the file, and for a batch of the committer.
RESERVE, RESERVE_SHARE = 24 * MIB, 10
LOG_PAGES, FEWEST_LOG_PAGES, LOG_SHARE = 4000, 32, 16  # after how many pages the log is taken into the file
PAGE = 4 * KIB
OPENING = 64 * KIB  # what SQLite's files take when they are opened: the index of the log
STEP = 64 * KIB  # taken at once, so that somebody who is faster takes only the last of it
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
        self.growth = 0  # bytes by which the log will make the file grow, as of the last measurement
        self._look_at = 0.0
        self._calm_at = 0.0
        self._told = False  # that the reserve is needed

    def glance(self) -> None:
        """Look, unless there was much room a moment ago."""
        if self.file is not None and (self.tight or time.monotonic() >= self._look_at):
            self.look()

    def look(self) -> bool:
        """See how much is free; whether that can be told."""
        return self.file is not None and self._read()

    def begun(self) -> None:
        """A transaction has begun that may write: while it lasts nobody else writes to the log."""
        if self.low:
            self._hold_log()
            self._hold_index()

    def _read(self) -> bool:
        try:
            found = os.statvfs(self._folder)
        except OSError:  # the folder is not there yet, or no longer
            return False
        self._look_at = time.monotonic() + LOOK
        self.total, self.free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        asked = conf.get().min_free_bytes
        self.limit = min(LIMIT, self.total // LIMIT_SHARE) if asked is None else asked
        self.tight = self.free < self.limit + NEAR
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
        """Whether the log's file holds much more than it needs, as after a first start's migrations, where that is missed."""
        return self.tight and self._size("-wal") > self.log_pages * PAGE * 3 // 2

    @property
    def log_heavy(self) -> bool:
        """Whether the file will grow by much of what the reserve has room for: better while there is room without it."""
        return self.tight and self.growth > self._wanted // 4

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

    def grows_by(self, sizes: Sizes) -> int:
        """By how many bytes the log will make the file grow."""
        self.growth = max(0, sizes.whole - self._size(""))
        return self.growth

    def _require(self, tx: _Storing, size: int) -> int:
        room: int | None = tx.memo.get(self)
        if room is None:
            room = self.measure(tx)
        if size > room:
            raise StoreFull(self._refusal(room, size))
        return room

    def _room(self, tx: _Storing) -> int:
        """How many bytes of messages may be stored: they go into the log first and into the file later, and take room in both."""
        if self.free is None:
            return ENDLESS
        sizes: Sizes = tx.dialect.sizes(tx.raw)
        growth = self.grows_by(sizes)
        if not self.limit:
            return ENDLESS
        # The log's room counts as free, whatever it has at the moment, but for what it needs always.
        held, needed = self._size("-wal"), self.log_pages * PAGE
        # Half the limit must be the disk's own: the file's pages cannot be filled again without a log.
        own = self.free - growth + max(0, held - needed)
        room = min(self.free - growth + held - needed + sizes.reusable - self.limit, own - self.limit // 2) // 2
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
        """Bytes of the reserve; 0 once all of it is given up."""
        return self._size("-reserve")

    @property
    def _wanted(self) -> int:
        return min(RESERVE, self.total // RESERVE_SHARE)

    @property
    def whole(self) -> bool:
        """Whether nothing of the reserve is given up."""
        return self.reserved >= self._wanted

    def give_up(self) -> bool:
        """Remove the reserve; whether there was one."""
        return self.file is not None and self._shrink(self.reserved)

    def make_way(self, size: int) -> None:
        """Give up as much of the reserve as is missing for writing so many bytes, and no more."""
        if self.look() and self.free is not None and self.free < size:
            self._shrink(-(-(size - self.free) // STEP) * STEP)

    def _shrink(self, by: int) -> bool:
        left = self.reserved - by
        try:
            if left > 0:
                os.truncate(self.reserve, left)
            else:
                self.reserve.unlink()
        except OSError:  # there is none
            return False
        if not self._told:
            self._told = True
            log.error("the disk of %s is full: the reserve is given up, so that messages can be taken away; make room", self.file)
        return True

    def _hold_log(self) -> None:
        """Take the blocks that the log needs, as many as there are. Nobody reads behind its last frame.

        Only within a transaction that writes: some file systems have a block taken by writing zeros to it.
        """
        held, wanted = self._size("-wal"), self.log_pages * PAGE
        if held < wanted:
            self.make_way(wanted - held)
        if held < wanted and self.look() and self.free:
            try:
                descriptor = os.open(f"{self.file}-wal", os.O_RDWR | os.O_CLOEXEC)
            except OSError:  # there is none: it is SQLite's to make
                return
            try:
                _fill(descriptor, min(wanted, held + self.free), start=held)
            finally:
                os.close(descriptor)

    def _hold_index(self) -> None:
        """The log's index is mapped into memory: writing to a page of it that has no block, and gets none, kills the process.

        SQLite writes one byte of each 4 KiB, which leaves holes where blocks are smaller.
        """
        path = Path(f"{self.file}-shm")
        try:
            found = path.stat()
            missing = found.st_size - found.st_blocks * 512
            if missing > 0 and hasattr(os, "posix_fallocate"):
                self.make_way(missing)
                os.posix_fallocate(hold(path), 0, found.st_size)
        except OSError:  # there is none, or no room
            pass

    def ran_out(self) -> None:
        """A write found the disk full, whatever the disk says of itself: a quota may be the cause."""
        self._calm_at = time.monotonic() + CALM
        self.give_up()
        self.look()

    def restore(self) -> None:
        """Near the limit hold the log's room; make the reserve, or make it whole, where that leaves enough. For the server alone,
        within a transaction.
        """
        if self.file is None or self.free is None:
            return
        if self.tight:
            self._hold_log()
            self._hold_index()
        missing = self._wanted - self.reserved
        if missing <= 0 or time.monotonic() < self._calm_at:
            self._told = self._told and missing > 0
            return
        if (self.free or 0) - missing >= max(self.limit // 2, self._wanted):
            self._allocate(self._wanted)

    def keep_what_is_left(self) -> None:
        """Take what is free into the reserve: for the next start, when this server writes no more."""
        if self.look() and self.free:
            self._allocate(min(self._wanted, self.reserved + self.free), least=1)

    def _allocate(self, size: int, *, least: int | None = None) -> None:
        """Make the reserve of that size; leave it as it is where others are faster, and not even ``least`` can be had."""
        before = made = self.reserved
        try:
            descriptor = os.open(self.reserve, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                made = _fill(descriptor, size, start=before)
                if made < (size if least is None else least):
                    made = before
                os.ftruncate(descriptor, made)
            finally:
                os.close(descriptor)
        except OSError as error:
            log.warning("no reserve could be made beside %s: %s", self.file, error.strerror)
        if made < size and least is None:
            self._calm_at = time.monotonic() + CALM
        if not made:
            self.reserve.unlink(missing_ok=True)

    def _size(self, suffix: str) -> int:
        try:
            return os.stat(f"{self.file}{suffix}").st_size
        except OSError:  # there is none
            return 0


def _fill(descriptor: int, size: int, *, start: int = 0) -> int:
    """Take blocks for the file from ``start`` on, not only the size; up to which size there were some."""
    try:
        for place in range(start, size, STEP):
            _take_blocks(descriptor, place, min(STEP, size - place))
            start = min(place + STEP, size)
    except OSError:  # no more are free
        pass
    return start


def _take_blocks(descriptor: int, place: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, place, size)
    else:
        os.pwrite(descriptor, bytes(size), place)


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
            found = _disks.setdefault(text, Disk(path_of(text)))
            _disks[name] = found
    return found


def of(using: str = DEFAULT_DB_ALIAS) -> Disk:
    """The disk of one of Django's databases; one with room always where the database is not a file of this machine."""
    connection = connections[using]
    return at(connection.settings_dict["NAME"] if connection.vendor == "sqlite" else "")


def tend(tx: _Storing) -> None:
    """A server's look at its disk, again and again: are messages refused, and can a reserve be made?"""
    found = of()
    found.measure(tx)
    found.restore()
