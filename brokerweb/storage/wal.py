"""SQLite's write-ahead log as it lies on the disk, held against what its index in shared memory says was committed to it.

After a kill the index is still there. SQLite does not look at it: it reads the log up to the first frame that is not as it
was written, and takes what is before for all there ever was. https://sqlite.org/walformat.html
"""

from __future__ import annotations

import os
import struct
import sys
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from brokerweb.storage.files import Files, hold

# Of the index, in the machine's own order: whether it is valid, the size of a page, how many frames are committed, and the
# checksum of the last one; it is there twice. Behind both: how many of the frames have been taken into the database.
_INDEX = struct.Struct("=12xBxHI4x2I16x")
_TAKEN_IN = struct.Struct("=I")
_LOG_HEADER, _FRAME_HEADER = 32, 24  # bytes
_LITTLE = 0x377F0682  # the log's magic number; with big-endian checksums it is one more
_MOST = 64 * 1024 * 1024  # bytes whose checksums are computed, a second's work; of a longer log only the length is compared


@dataclass(frozen=True)
class Index:
    """``frames`` are committed, the last one with ``checksum``; the first ``taken_in`` are in the database as well."""

    page: int
    frames: int
    checksum: tuple[int, int]
    taken_in: int


def log_size(frames: int, page: int) -> int:
    """How many bytes a log of so many frames has at least."""
    return _LOG_HEADER + frames * (_FRAME_HEADER + page)


def read_index(path: Path) -> Index | None:
    """The index, or None where it is none that is valid."""
    try:
        content = os.pread(hold(path), 2 * _INDEX.size + _TAKEN_IN.size, 0)
    except FileNotFoundError:
        return None
    if len(content) < 2 * _INDEX.size + _TAKEN_IN.size or content[: _INDEX.size] != content[_INDEX.size : 2 * _INDEX.size]:
        return None
    valid, page, frames, *checksum = _INDEX.unpack_from(content)
    (taken_in,) = _TAKEN_IN.unpack_from(content, 2 * _INDEX.size)
    return Index(65_536 if page == 1 else page, frames, (checksum[0], checksum[1]), taken_in) if valid else None


def is_whole(files: Files) -> bool:
    """Whether the log has all that was committed to it, as far as that can be told; no connection may be open in this process."""
    index = read_index(files.index)
    if index is None or index.taken_in >= index.frames:
        return True
    try:
        with files.log.open("rb") as log:
            size = log_size(index.frames, index.page)
            if os.fstat(log.fileno()).st_size < size:
                return False
            return size > _MOST or _checksum(log, index) == index.checksum
    except FileNotFoundError:
        return False


def _checksum(log: BinaryIO, index: Index) -> tuple[int, int]:
    """Of all frames up to the last committed one; each goes on from the one before."""
    magic = int.from_bytes(log.read(4), "big")
    log.seek(0)
    swapped = (magic == _LITTLE) != (sys.byteorder == "little")
    sums = _add((0, 0), log.read(24), swapped)
    log.seek(_LOG_HEADER)
    for _ in range(index.frames):
        frame = log.read(_FRAME_HEADER + index.page)
        sums = _add(sums, frame[:8] + frame[_FRAME_HEADER:], swapped)
    return sums


def _add(sums: tuple[int, int], content: bytes, swapped: bool) -> tuple[int, int]:
    words = array("I", content)
    if swapped:
        words.byteswap()
    first, second = sums
    pairs = iter(words)
    for x, y in zip(pairs, pairs, strict=True):
        first = (first + x + second) & 0xFFFFFFFF
        second = (second + y + first) & 0xFFFFFFFF
    return first, second


def frames_in(connection: Any) -> int | None:
    """How many frames an open connection finds in the log; None where its SQLite cannot tell."""
    if connection.Database.sqlite_version_info < (3, 51):  # it would take the question for an order
        return None
    _, frames, _ = connection.connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
    return max(0, int(frames))
