"""Where no file descriptor is left: said once a minute, whatever fails of it meanwhile.

Neither server says a word when it cannot take a connection; what needs a file or a database connection says it with a
traceback for every request. Both go on by themselves when some are free again.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import time
from collections.abc import Iterator

from brokerweb.core.duty import DutyLoop

log = logging.getLogger(__name__)
LOOK, EVERY = 1.0, 60.0  # seconds between looks, and between lines
NEAR = 16
LATE = 5.0  # seconds after some are free in which what failed before may still be told
CANNOT_OPEN = "unable to open database file"  # SQLite's words for it, and for other reasons
_EXHAUSTED = (errno.EMFILE, errno.ENFILE)


class Descriptors(logging.Filter):
    """``start`` and ``stop`` with the broker. It is a filter of the log's handlers, which drops what tells of the same."""

    def __init__(self) -> None:
        super().__init__()
        self._exhausted = False
        self._said_at: float | None = None
        self._over_at: float | None = None
        self._dropped = 0
        self._duty = DutyLoop("descriptors", self._look, longest=LOOK)

    def start(self) -> None:
        for handler in _handlers():
            handler.addFilter(self)
        self._duty.start()

    async def stop(self) -> None:
        await self._duty.stop()
        for handler in _handlers():
            handler.removeFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == __name__ or not self._tells(record):
            return True
        self._dropped += 1
        if self._exhausted or not self._lately:  # else it tells of what is over, as far as is known
            self._noticed()
        return False

    async def _look(self, now: int) -> float:
        try:
            os.close(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            if error.errno not in _EXHAUSTED:
                raise
            self._noticed()
        else:
            if self._exhausted:
                log.warning("file descriptors are free again; %d messages of failures without one were left out", self._dropped)
                self._over_at = time.monotonic()
            self._exhausted, self._dropped = False, 0
        return LOOK

    def _noticed(self) -> None:
        self._exhausted = True
        if self._said_at is None or time.monotonic() - self._said_at >= EVERY:
            self._said_at = time.monotonic()
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
            log.error("no file descriptor is free (at most %d): connections are not taken, files cannot be opened", most)

    def _tells(self, record: logging.LogRecord) -> bool:
        """Whether a record is of this: by its exception or one behind it, or by its words."""
        errors = list(_chain(record))
        if any(isinstance(error, OSError) and error.errno in _EXHAUSTED for error in errors):
            return True
        texts = [record.getMessage(), *map(str, errors)]
        if any("Too many open files" in text for text in texts):
            return True
        return any(CANNOT_OPEN in text for text in texts) and (self._lately or _nearly_all_taken())

    @property
    def _lately(self) -> bool:
        return self._exhausted or (self._over_at is not None and time.monotonic() - self._over_at < LATE)


def _nearly_all_taken() -> bool:
    """The database's files take more than one, so that one may be free where they cannot be opened."""
    try:
        return len(os.listdir("/dev/fd")) > resource.getrlimit(resource.RLIMIT_NOFILE)[0] - NEAR
    except OSError as error:
        return error.errno in _EXHAUSTED


def _chain(record: logging.LogRecord) -> Iterator[BaseException]:
    error = record.exc_info[1] if record.exc_info else None
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _handlers() -> set[logging.Handler]:
    loggers = [logging.root, *logging.Logger.manager.loggerDict.values()]
    return {handler for logger in loggers if isinstance(logger, logging.Logger) for handler in logger.handlers}
