"""What a start finds missing: the database, its log, or commits that the last run is known to have made.

SQLite itself says nothing: it takes an empty file for a new database, removes a log that stands beside one, and ends
reading a log where it is cut off.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from brokerweb.core import process
from brokerweb.storage import mark, wal
from brokerweb.storage.files import Files

log = logging.getLogger(__name__)


class DataLost(Exception):
    """The database is not what the last run left; the message says in what way."""


@dataclass(frozen=True)
class Evidence:
    """What there was before SQLite opened the files, which changes them. None is the last mark of a first start."""

    last: mark.Mark | None
    has_log: bool


def before_opening(files: Files) -> Evidence:
    """Look at the files, and change nothing; no connection may be open yet. Raises DataLost."""
    last = mark.read(files.mark)
    size, log_size = _size(files.database), _size(files.log)
    if not size and (last is not None or log_size):
        raise DataLost(f"the database {files.database} is {'gone' if size is None else 'empty'}, and there was one here before")
    if last is not None and last.running and last.logged and last.boot == process.boot() and not wal.is_whole(files):
        what = "is gone" if log_size is None else "lacks some of what was committed to it"
        raise DataLost(f"the last run did not end cleanly, and the log {files.log} {what}")
    return Evidence(last, log_size is not None)


def after_opening(files: Files, found: Evidence, seen_at: int | None) -> None:
    """Compare what the database turned out to be; ``seen_at`` is the newest heartbeat in it. Raises DataLost."""
    last = found.last
    behind = last is not None and (seen_at is None or seen_at < last.seen_at)
    if last is None or not (behind or last.running):
        return
    if behind and last.running:
        missing = "" if found.has_log or not last.logged else f", and the log {files.log} is gone"
        raise DataLost(
            f"the database {files.database} is older than what the last run, which did not end cleanly, had stored{missing}"
        )
    if behind:
        log.warning(
            "the database %s is older than what the last run left: it is taken for a copy that was put back", files.database
        )
    elif last.logged and not found.has_log:
        log.warning("the last run did not end cleanly, and another program has since taken its log into %s", files.database)


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None
