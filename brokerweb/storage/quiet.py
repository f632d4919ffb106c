"""Whether the event loop has handed in what it has: where many callers come at once, a batch is worth waiting for all of them.

The loop and the committer share one interpreter. A batch that begins while the loop still reads the requests behind it runs
beside them, both slowed by the lock they take from one another at every statement, and leaves those requests to a batch of
their own. So the committer waits for one turn of the loop that brings nothing more.
"""

from __future__ import annotations

import asyncio
import threading


class Quiet:
    """The loop tells of each call that others may follow; the committer waits for the turn without one."""

    def __init__(self) -> None:
        self._busy = threading.Lock()  # held from a call until a turn without one
        self._watching = self._fresh = False

    def handed(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: a call was handed in."""
        self._fresh = True
        if not self._watching and self._busy.acquire(blocking=False):
            self._watching = True
            loop.call_soon(self._look, loop)

    def wait(self, patience: float) -> bool:
        """On another thread: whether the loop has fallen quiet, at once or within ``patience`` seconds."""
        if not self._busy.acquire(timeout=patience):
            return False
        self._busy.release()
        return True

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._fresh:
            self._fresh = False
            loop.call_soon(self._look, loop)
        else:
            self._watching = False
            self._busy.release()
