"""Tells what commits did, from a thread of its own: whoever committed waits for nothing and is refused nothing.

While a hint is on its way the next gathers. One that cannot be sent is dropped, and the next that can says to look everywhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Container

from brokerweb.core.events import Outcome
from brokerweb.wakeups.hints import Hint
from brokerweb.wakeups.transport import Sending, Transport, Unreachable

log = logging.getLogger(__name__)

EVERY = 0.002  # seconds from one hint to the next, in which commits gather
MANY, BUSY = 4, 0.006  # commits in one hint, from which on it is as long: each costs this process and every other a little
LONELY = 0.1  # the same while nobody is there who would hear it sooner
RETRY = 0.5  # seconds after a hint that could not be sent
IDLE = 2.0  # seconds without a hint, after which a process that does not beat closes its connection


class Sender:
    """Call it with outcomes, from any thread. It connects when there is something to tell.

    ``held`` are the receipts that this process holds. ``beat`` is after how many seconds without a hint an empty one is sent;
    None: never, and the connection is closed then. ``alone()`` is whether nobody else listens.
    """

    def __init__(
        self,
        transport: Transport,
        name: str,
        *,
        held: Container[str] = (),
        beat: float | None = None,
        alone: Callable[[], bool] = lambda: False,
    ) -> None:
        self._transport, self.name, self._held, self._beat, self._alone = transport, name, held, beat, alone
        self._news = threading.Condition()
        self._pending, self._due, self._stopping = Hint(), False, False
        self._commits = self._told = 0  # of which commits the next hint tells, and the last one did
        self._sending = False  # something is pending or on its way
        self._line: Sending | None = None
        self._thread = threading.Thread(target=self._run, name="wakeups sender", daemon=True)
        self.wrong = ""  # why the last hint could not be sent
        self.sent = self.dropped = 0

    def __call__(self, outcome: Outcome) -> None:
        """Tell of a commit."""
        with self._news:
            self._pending.add(outcome, self._held)
            self._commits += 1
            if self._pending:
                self._tell()

    def beat(self) -> None:
        """Tell that this process is there, if it has nothing else to tell."""
        with self._news:
            self._tell()

    def flush(self, seconds: float) -> None:
        """Wait until everything is told or dropped, so many seconds at most."""
        with self._news:
            self._news.wait_for(lambda: not self._sending, seconds)

    def stop(self, seconds: float) -> None:
        """Tell what there is to tell, and end, within so many seconds."""
        with self._news:
            self._stopping = True
            self._news.notify_all()
        if self._thread.ident is not None:
            self._thread.join(seconds)

    def _tell(self) -> None:
        if self._due:  # the thread has been told, and waking it costs whoever committed the interpreter's lock
            return
        self._due = self._sending = True
        if self._thread.ident is None and not self._stopping:
            self._thread.start()
        self._news.notify_all()

    # The thread

    def _run(self) -> None:
        while (hint := self._gathered()) is not None:
            began = time.monotonic()
            pause = self._pause if self._sent(hint) else RETRY
            with self._news:
                self._sending = self._due
                self._news.notify_all()
                self._news.wait_for(lambda: self._stopping, max(0.0, began + pause - time.monotonic()))
        self._close()

    @property
    def _pause(self) -> float:
        """Until the next hint, after one."""
        if self._alone():
            return LONELY
        return BUSY if self._told >= MANY else EVERY

    def _gathered(self) -> Hint | None:
        """The next hint, when there is one or it is time for a beat; None at the end."""
        with self._news:
            while not self._due and not self._stopping:
                if self._news.wait_for(lambda: self._due or self._stopping, IDLE if self._beat is None else self._beat):
                    break
                if self._beat is not None:
                    self._due = True
                else:
                    self._close()
            if not self._due:
                return None
            hint, self._pending, self._due = self._pending, Hint(), False
            self._told, self._commits = self._commits, 0
            return hint

    def _sent(self, hint: Hint) -> bool:
        hint.told_by, hint.all = self.name, hint.all or bool(self.wrong)
        try:
            if self._line is None:
                self._line = self._transport.sending()
            self._line.send(hint.encoded())
        except Unreachable as error:
            self._failed(str(error))
            return False
        except Exception as error:  # the thread must not end of it
            log.exception("a hint could not be sent")
            self._failed(repr(error))
            return False
        if self.wrong:
            log.warning("%s takes hints again", self._transport.name)
        self.wrong, self.sent = "", self.sent + 1
        return True

    def _failed(self, why: str) -> None:
        if not self.wrong:
            log.warning("%s takes no hints: %s; consumers elsewhere find messages later by looking", self._transport.name, why)
        self.wrong, self.dropped = why or "no answer", self.dropped + 1
        self._close()

    def _close(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            try:
                line.close()
            except Exception as error:
                log.debug("closing a connection for hints failed", exc_info=error)
