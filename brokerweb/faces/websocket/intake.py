"""The frames of one client on their way to its session: many in one turn of the loop, and behind one that waits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol

from brokerweb.core import closing
from brokerweb.faces.websocket.language import Frame, Session
from brokerweb.faces.websocket.outbox import Outbox

FRAMES_IN_A_ROW = 32  # handled in one turn of the loop; then the committer's thread and other sockets get theirs
WAITING_BYTES = 256 * 1024  # of frames behind one that waits; then nothing more is taken


class Source(Protocol):
    """A server's connection that gives the frames itself, where the server has such."""

    def feed(self, intake: Intake) -> None:
        """Give it every frame from now on, those that came before first. The end still comes by ``receive``."""

    def go_on(self) -> None:
        """Give what was held back while the intake was full."""


class Intake:
    """Handles frames in the order they came."""

    def __init__(
        self, session: Session, outbox: Outbox, *, most: int, binary: bool, failed: Callable[[BaseException], None]
    ) -> None:
        """``most`` bytes may a frame have, a binary one only where those are ``binary``; ``failed`` is told of errors of ours."""
        self._session, self._outbox, self._failed = session, outbox, failed
        self.most, self._binary = most, binary
        self.source: Source | None = None
        self._frames: deque[Frame] = deque()
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[None] | None = None  # of the frame that waits
        self._turn: asyncio.Handle | None = None  # to go on in
        self._idle = asyncio.Event()
        self._stopped = False

    @property
    def room(self) -> int:
        """How many more it should be given in this turn of the loop."""
        if self.busy and sum(map(len, self._frames)) >= WAITING_BYTES:
            return 0
        return FRAMES_IN_A_ROW - len(self._frames)

    @property
    def busy(self) -> bool:
        """Whether something that came is still to be handled."""
        return self._task is not None or self._turn is not None

    def put(self, frames: Iterable[Frame]) -> None:
        """Handle these, now unless others are before them. Whoever has more than fits into a turn waits until it is asked."""
        self._frames.extend(frames)
        if not self.busy:
            self._run()

    async def done(self) -> None:
        """Wait until all that came is handled."""
        while self.busy:
            self._idle.clear()
            await self._idle.wait()

    def _fail(self, error: Exception) -> None:
        self._stopped = True
        self._failed(error)

    def stop(self) -> None:
        """Handle nothing more."""
        self._stopped = True
        self._frames.clear()
        if self._task is not None:
            self._task.cancel()

    def _run(self) -> None:
        frames, session, outbox = self._frames, self._session, self._outbox
        for _ in range(FRAMES_IN_A_ROW):
            if not frames or self._over:
                break
            try:
                waiting = self._handle(frames.popleft())
            except Exception as error:
                self._fail(error)
                break
            if waiting is not None or session.full or outbox.full:
                self._task = self._loop.create_task(self._wait(waiting))
                return
        else:
            self._turn = self._loop.call_soon(self._go_on)
            return
        if self._over:
            frames.clear()
        self._idle.set()

    @property
    def _over(self) -> bool:
        return self._stopped or self._outbox.closing

    def _handle(self, frame: Frame) -> Awaitable[None] | None:
        if too_large(frame, self.most, binary=self._binary):
            self._outbox.close(closing.TOO_LARGE, f"a frame has at most {self.most} bytes")
            return None
        return self._session.handle(frame)

    async def _wait(self, waiting: Awaitable[None] | None) -> None:
        """Let later frames stand behind one that waits, or for which there is no room yet."""
        try:
            if waiting is not None:
                await waiting
            await self._session.room()
            await self._outbox.room()
        except Exception as error:
            self._fail(error)
        finally:
            self._task = None
            self._go_on()

    def _go_on(self) -> None:
        self._turn = None
        time.sleep(0)  # gives the interpreter lock away, and waits for nothing
        if self.source is not None and not self._stopped:
            self.source.go_on()
        if not self.busy:
            self._run()


def too_large(frame: Frame, most: int, *, binary: bool) -> bool:
    """Whether it has more than ``most`` bytes. Binary ones of a language that has none are refused as such."""
    if isinstance(frame, bytes):
        return binary and len(frame) > most
    return len(frame) > most or (len(frame) * 4 > most and len(frame.encode("utf-8", "surrogatepass")) > most)
