"""Hears what other processes tell, on a thread of its own, and connects again whenever that ends.

What this process tells comes back to it as well: as long as it does, hints come through. A server that stands still, and a pooler
that gives the connection to somebody else, are noticed by that alone.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from brokerweb.wakeups.hints import Hint, decoded
from brokerweb.wakeups.transport import Listening, Transport, Unreachable

log = logging.getLogger(__name__)

TURN = 0.5  # seconds after which a thread that hears nothing looks whether it is to end
RETRY = 0.5  # seconds from one try to connect to the next


class Listener:
    """``heard(hint)`` is told what others tell, and to look everywhere once it hears again what it may have missed.

    ``connected()`` is to make this process tell something; ``silence`` is after how many seconds without that it connects anew.
    """

    def __init__(
        self, transport: Transport, name: str, *, heard: Callable[[Hint], None], connected: Callable[[], None], silence: float
    ) -> None:
        self._transport, self._name, self._silence = transport, name, silence
        self._heard, self._connected = heard, connected
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="wakeups listener", daemon=True)
        self.hearing = False  # what this process told came back
        self.wrong = ""  # why it does not, once that is known
        self.received = 0
        self._others_at = time.monotonic()  # when another was heard last; at first some may be there

    @property
    def alone(self) -> bool:
        """Whether no other node is heard; each tells something every few seconds, and as soon as it is there."""
        return time.monotonic() - self._others_at > self._silence

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Hear nothing more. ``join`` waits until the thread has noticed, which it does at once when something comes."""
        self._stopping.set()

    def join(self, seconds: float) -> None:
        if self._thread.ident is not None:
            self._thread.join(seconds)

    # The thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                line = self._transport.listening()
                try:
                    self._listen(line)
                finally:
                    line.close()
            except Unreachable as error:
                self._failed(str(error))
            except Exception as error:  # the thread must not end of it
                log.exception("hints could not be heard")
                self._failed(repr(error))
            self._stopping.wait(max(0.0, began + RETRY - time.monotonic()))

    def _listen(self, line: Listening) -> None:
        """Until the end, or raises Unreachable."""
        self._connected()
        echoed = time.monotonic()
        while not self._stopping.is_set():
            for text in line.hear(TURN):
                hint = decoded(text)
                if hint is None:
                    log.debug("what came is no hint: %r", text[:200])
                elif hint.told_by == self._name:
                    echoed = time.monotonic()
                    self._echoed()
                else:
                    self._others_at = time.monotonic()
                    self._hear(hint)
            if time.monotonic() - echoed > self._silence:
                raise Unreachable("what is told does not come back")

    def _hear(self, hint: Hint) -> None:
        if hint:  # else it is there, and has nothing to tell
            self.received += 1
            self._heard(hint)

    def _echoed(self) -> None:
        if self.wrong:
            log.warning("hints of other nodes are heard again from %s", self._transport.name)
        if not self.hearing:
            self._heard(Hint(all=True))  # what was told before, nobody here has heard
        self.hearing, self.wrong = True, ""

    def _failed(self, why: str) -> None:
        if not self.wrong:
            log.warning("no hints are heard from %s: %s; what others publish is found by looking", self._transport.name, why)
        self.hearing, self.wrong = False, why or "no answer"
