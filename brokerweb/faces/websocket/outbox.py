"""What waits to be written to one socket, in order. One writer sends it; whoever adds to it never waits.

How much may wait is decided here, and what it looks like by the language, which makes frames of it when its turn comes.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from brokerweb.faces.websocket import language
from brokerweb.faces.websocket.language import Frame, Language, Outgoing
from brokerweb.faces.websocket.wire import event, framed

SENDS_IN_A_ROW = 20  # about a millisecond; then the committer's thread and the server's writes get their turn
CROWDED_BYTES = 1024 * 1024  # with more unsent, nothing is leased for this socket until less than half of that is left
FULL_BYTES = 16 * 1024 * 1024  # with as much unsent, a client's own commands have to wait: each may be answered with more
WRITE_BYTES = 64 * 1024  # in one write, but for a frame that is larger
FRAME_BYTES = 64  # what a short frame costs besides its text
STUCK = 30.0  # seconds one send may take before the client counts as too slow

Send = Callable[[dict[str, Any]], Awaitable[None]]
Write = Callable[[bytes], None]
Drained = Callable[[], Awaitable[None]]


class _Delivery:
    """Messages that will share frames."""

    __slots__ = ("messages", "size", "to")

    def __init__(self, to: Any, messages: list[Any], size: int) -> None:
        self.to, self.messages, self.size = to, messages, size


_Run = tuple[Any, Any, int]  # records of one partition, which others may be sent as well: to whom, the run, and its size
Waiting = Frame | _Delivery | _Run


class Outbox(language.Outbox):
    """Frames, and messages still to become frames: those for one receiver that wait together share some."""

    def __init__(
        self,
        spoken: Language,
        send: Send,
        crowded: Callable[[bool], None],
        *,
        write: Write | None = None,
        drained: Drained | None = None,
    ) -> None:
        """``write`` sends frames as they are on the wire, and ``drained`` waits for the client, on servers that have these."""
        self._language, self._send, self._tell_crowded = spoken, send, crowded
        self._write, self._drained = write, drained
        self._waiting: deque[Waiting] = deque()
        self._filled, self._sent = asyncio.Event(), asyncio.Event()
        self._bytes = 0
        self._crowded = False
        self._close: tuple[int, str] | None = None
        self._abandoned = False
        self._since = 0.0  # when the send under way began
        self._row = 0  # frames sent without giving way

    @property
    def closing(self) -> bool:
        return self._close is not None

    @property
    def crowded(self) -> bool:
        return self._crowded

    def frame(self, frame: Frame) -> None:
        if self._close is None and not self._abandoned:
            self._waiting.append(frame)
            self._grow(len(frame) + FRAME_BYTES)

    def deliver(self, to: Any, messages: list[Any], size: int) -> None:
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, _Delivery) and last.to is to:
            last.messages.extend(messages)
            last.size += size
        else:
            self._waiting.append(_Delivery(to, list(messages), size))
        self._grow(size)

    def records(self, to: Any, run: Any, size: int) -> None:
        self._waiting.append((to, run, size))
        self._grow(size)

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. The first word counts. Nothing is leased any more for a socket that would not get it."""
        if self._close is None:
            self._close = code, reason
            self._filled.set()
            self._sent.set()
            self._crowd(True)

    def abandon(self) -> None:
        """Nobody is there to read any more. Nothing is leased for the socket, and its commands wait for no answer to be sent."""
        self._abandoned = True
        self._waiting.clear()
        self._sent.set()
        self._crowd(True)

    @property
    def full(self) -> bool:
        """Whether so much is unsent that another command would be too much."""
        return self._bytes >= FULL_BYTES and self._close is None and not self._abandoned

    async def room(self) -> None:
        """Wait while it is full."""
        while self.full:
            self._sent.clear()
            await self._sent.wait()

    async def run(self) -> None:
        """Write until closed. Raises whatever the server says of a connection that is gone."""
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                frames = self._next()
                if self._write is None:
                    await self._send_each(frames)
                else:
                    await self._write_together(frames, self._write)
            if self._close is not None:
                self._since = time.monotonic()
                await self._send({"type": "websocket.close", "code": self._close[0], "reason": self._close[1]})
                return

    def _next(self) -> list[Outgoing]:
        """What is to be sent at once."""
        waiting, before = self._waiting, self._bytes
        frames: list[Outgoing] = []
        while waiting and len(frames) < SENDS_IN_A_ROW and before - self._bytes < WRITE_BYTES:
            frames += self._frames(waiting.popleft())
        return frames

    async def _write_together(self, frames: list[Outgoing], write: Write) -> None:
        parts: list[bytes] = []
        size = 0
        for left, frame in enumerate(map(framed, frames), 1 - len(frames)):
            parts.append(frame)
            size += len(frame)
            if left == 0 or size >= WRITE_BYTES:
                self._since = time.monotonic()
                write(b"".join(parts))
                await self._sent_frames(len(parts))
                parts, size = [], 0

    async def _send_each(self, frames: list[Outgoing]) -> None:
        for frame in frames:
            self._since = time.monotonic()
            await self._send(event(frame))
            await self._sent_frames(1)

    async def _sent_frames(self, number: int) -> None:
        """Wait for the client to take them, and now and then for the others."""
        if self._drained is not None:
            await self._drained()
        self._since = 0.0
        self._row += number
        if self._row >= SENDS_IN_A_ROW:
            self._row = 0
            time.sleep(0)  # noqa: ASYNC251 (gives the interpreter lock away, and waits for nothing)
            await asyncio.sleep(0)

    @property
    def stuck(self) -> bool:
        """The client does not read what is sent to it: one send has taken too long."""
        return self._since > 0 and time.monotonic() - self._since > STUCK

    def _frames(self, waiting: Waiting) -> Sequence[Outgoing]:
        if isinstance(waiting, tuple):
            to, run, size = waiting
            self._shrink(size)
            return self._language.records(to, run)
        if isinstance(waiting, _Delivery):
            self._shrink(waiting.size)
            return self._language.deliver(waiting.to, waiting.messages)
        self._shrink(len(waiting) + FRAME_BYTES)
        return (waiting,)

    def _grow(self, n: int) -> None:
        self._bytes += n
        self._filled.set()
        if self._bytes > CROWDED_BYTES:
            self._crowd(True)

    def _shrink(self, n: int) -> None:
        self._bytes -= n
        self._sent.set()
        if self._bytes < CROWDED_BYTES // 2 and not self.closing:
            self._crowd(False)

    def _crowd(self, crowded: bool) -> None:
        if crowded != self._crowded:
            self._crowded = crowded
            self._tell_crowded(crowded)
