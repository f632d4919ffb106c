"""Who wakes a runner: commits, wherever they are made.

On PostgreSQL what processes tell each other (``brokerweb.wakeups``); the runner tells of its own as any broker does. On SQLite
the file itself: a number in its memory changes with every commit, and looking at it costs microseconds.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Container

from django.db import DEFAULT_DB_ALIAS, connections

from brokerweb.core import events
from brokerweb.core.events import Outcome
from brokerweb.handlers.store import single_writer
from brokerweb.storage.dedicated import dedicate
from brokerweb.storage.dialects import dialect_of
from brokerweb.wakeups.hints import Hint
from brokerweb.wakeups.node import Wakeups

log = logging.getLogger(__name__)

LOOK = 0.02  # seconds between looks at the file's number
ANEW = 5.0  # seconds after which it is opened anew: the file may be another by then


class Alarm:
    """``hear(hint)`` is told on the control loop. ``held`` are the receipts that this process holds. Start on the loop."""

    def __init__(self, hear: Callable[[Hint], None], held: Container[str]) -> None:
        self._hear, self._held = hear, held
        self._loop: asyncio.AbstractEventLoop
        self._wakeups: Wakeups | None = None
        self._stopping = threading.Event()
        self._watch = threading.Thread(target=self._look, name="commits", daemon=True)
        self._unlisten: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._unlisten = events.listen(self._committed)
        if single_writer():
            self._watch.start()
        else:
            self._wakeups = Wakeups(self._hear, self._held)
            self._wakeups.start()

    async def stop(self) -> None:
        self._unlisten()
        self._stopping.set()
        if self._wakeups is not None:
            await asyncio.to_thread(self._wakeups.stop)

    def _committed(self, outcome: Outcome) -> None:
        """By this process, on any thread."""
        hint = Hint()
        hint.add(outcome, self._held)
        if hint:
            self._tell(hint)

    def _tell(self, hint: Hint) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._hear, hint)

    # The thread that looks

    def _look(self) -> None:
        dedicate()
        connection, seen, anew_at = connections[DEFAULT_DB_ALIAS], None, 0.0
        while not self._stopping.wait(LOOK):
            try:
                if time.monotonic() >= anew_at:
                    connection.close()
                    connection.ensure_connection()
                    seen, anew_at = None, time.monotonic() + ANEW
                version = dialect_of(connection).version(connection.connection)
            except Exception as error:  # the thread must not end of it
                log.debug("commits cannot be seen: %s", error)
                anew_at = 0.0
                continue
            if version != seen:
                seen = version
                self._tell(Hint(all=True))
        connection.close()
