"""The hints of a running broker: it tells others of its commits, and looks where others say.

On SQLite there is none of it: one process serves, and commits of others show in the file.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Callable, Container

from brokerweb import conf
from brokerweb.core import events
from brokerweb.wakeups import choosing
from brokerweb.wakeups.hints import Hint
from brokerweb.wakeups.listener import Listener
from brokerweb.wakeups.sender import Sender

log = logging.getLogger(__name__)

BEAT = 2.0  # seconds without anything to tell, after which a node tells that it is there
SILENCE = 5.0  # seconds without hearing itself, after which a node takes its connection for lost
GOODBYE = 1.0  # seconds at the end for what is still to be told

current: Wakeups | None = None  # those of the running broker


class Wakeups:
    """``look(hint)`` is told on the loop where to look. ``held`` are the receipts of this process. Start on the loop."""

    def __init__(self, look: Callable[[Hint], None], held: Container[str]) -> None:
        self._look, self._held = look, held
        self._mutex = threading.Lock()
        self._pending: Hint | None = None  # what the loop has yet to be told
        self._loop: asyncio.AbstractEventLoop
        self._unlisten: Callable[[], None] = lambda: None
        self.name = ""  # of the server that carries hints; empty where there are none
        self.sender: Sender | None = None
        self.listener: Listener | None = None

    def start(self) -> None:
        """Listen to commits before the hub does: whose receipts have ended is known as long as it has not heard of it."""
        global current
        current = self
        carrier = choosing.chosen()
        if carrier is None:
            if conf.get().redis_url:
                log.warning("REDIS_URL is set and not used: on SQLite one process serves, and there is no other to be woken")
            return
        self._loop, self.name, told_by = asyncio.get_running_loop(), carrier.name, secrets.token_hex(4)
        self.sender = Sender(carrier, told_by, held=self._held, beat=BEAT, alone=lambda: self.alone)
        self.listener = Listener(carrier, told_by, heard=self._heard, connected=self.sender.beat, silence=SILENCE)
        self._unlisten = events.listen(self.sender)
        self.listener.start()

    def stop(self) -> None:
        """Tell what there is to tell, and end. It may take a second; not on the loop."""
        global current
        current = None
        self._unlisten()
        if self.sender is not None and self.listener is not None:
            self.listener.stop()
            self.sender.beat()  # which wakes the listener as well
            self.sender.stop(GOODBYE)
            self.listener.join(GOODBYE)

    @property
    def wrong(self) -> str:
        """What is wrong, for people; empty where nothing is."""
        if self.sender is None or self.listener is None or not (self.sender.wrong or self.listener.wrong):
            return ""
        return f"{self.name} carries no hints: what is published on other nodes is found within seconds, not at once"

    @property
    def alone(self) -> bool:
        """Whether no other node is heard."""
        return self.listener is not None and self.listener.alone

    @property
    def connected(self) -> bool:
        """Whether hints come through: this node hears itself."""
        return self.listener is not None and self.listener.hearing and not self.wrong

    # From the listener's thread

    def _heard(self, hint: Hint) -> None:
        with self._mutex:
            if self._pending is not None:
                self._pending.merge(hint)
                return
            self._pending = hint
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        with self._mutex:
            hint, self._pending = self._pending, None
        if hint is not None and current is self:
            self._look(hint)
