"""Tells the committer when the event loop has nothing more to hand in: where many callers come at once, waiting for all pays.

The loop and the committer share one interpreter. A batch that begins while the loop is still reading requests runs beside it,
each slowed by taking the interpreter's lock from the other at every statement, and those requests are left to a batch of their
own. So the committer waits for one turn of the loop that brings nothing more.
"""

from __future__ import annotations

import asyncio
import threading


class Quiet:
    """The loop reports each call that others may follow; the committer waits for a turn without any."""

    def __init__(self) -> None:
        self._busy = threading.Lock()  # held from a call until a turn without one
        self._watching = self._fresh = False

    def handed(self, loop: asyncio.AbstractEventLoop) -> None:
        """On the loop: a call was handed in."""
        self._fresh = True
        if not self._watching and self._busy.acquire(blocking=False):
            self._watching = True
            loop.call_soon(self._turn, loop)

    def wait(self, patience: float) -> bool:
        """On another thread: whether the loop has fallen quiet, at once or within ``patience`` seconds."""
        if not self._busy.acquire(timeout=patience):
            return False
        self._busy.release()
        return True

    def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._fresh:
            self._fresh = False
            loop.call_soon(self._turn, loop)
        else:
            self._watching = False
            self._busy.release()
