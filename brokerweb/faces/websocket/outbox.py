"""What waits to be written to one socket, in order. One writer sends it; whoever adds to it never waits."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from brokerweb.delivery.queues.subscription import Subscription
from brokerweb.delivery.streams.subscription import StreamSubscription
from brokerweb.delivery.streams.tail import Run
from brokerweb.faces.codec import records
from brokerweb.faces.codec.json import quoted
from brokerweb.faces.codec.messages import delivered_parts, split
from brokerweb.queues.messages import Leased

SENDS_IN_A_ROW = 20  # about a millisecond; then the committer's thread and the server's writes get their turn
CROWDED_BYTES = 1024 * 1024  # with more unsent, nothing is leased for this socket until less than half of that is left
FULL_BYTES = 16 * 1024 * 1024  # with as much unsent, a client's own commands have to wait: each may be answered with more
FRAME_BYTES = 64  # what a short frame costs besides its text
STUCK = 30.0  # seconds one send may take before the client counts as too slow

Send = Callable[[dict[str, Any]], Awaitable[None]]
Drained = Callable[[], Awaitable[None]]


Waiting = str | tuple[Subscription, list[Leased]] | tuple[StreamSubscription, Run]


class Outbox:
    """Frames, and messages still to become frames: those of one subscription that wait together share one."""

    def __init__(self, send: Send, crowded: Callable[[bool], None], drained: Drained | None = None) -> None:
        """``drained`` waits for the client on a server whose ``send`` does not."""
        self._send, self._tell_crowded, self._drained = send, crowded, drained
        self._waiting: deque[Waiting] = deque()
        self._filled, self._sent = asyncio.Event(), asyncio.Event()
        self._bytes = 0
        self._crowded = False
        self._close: tuple[int, str] | None = None
        self._abandoned = False
        self._since = 0.0  # when the send under way began

    @property
    def closing(self) -> bool:
        return self._close is not None

    @property
    def crowded(self) -> bool:
        """Whether nothing more is to be leased for this socket."""
        return self._crowded

    def frame(self, text: str) -> None:
        if self._close is None and not self._abandoned:
            self._waiting.append(text)
            self._grow(len(text) + FRAME_BYTES)

    def deliver(self, subscription: Subscription, messages: list[Leased]) -> None:
        """Messages for one subscription."""
        last = self._waiting[-1] if self._waiting else None
        if isinstance(last, tuple) and last[0] is subscription and isinstance(last[1], list):
            last[1].extend(messages)
        else:
            self._waiting.append((subscription, list(messages)))
        self._grow(sum(len(message.body) for message in messages))

    def records(self, subscription: StreamSubscription, number: int, run: Run) -> None:
        """A run of records of one partition, which others may be sent as well."""
        self._waiting.append((subscription, run))
        self._grow(run.size)

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

    async def room(self) -> None:
        """Wait while so much is unsent that another command would be too much."""
        while self._bytes >= FULL_BYTES and not (self.closing or self._abandoned):
            self._sent.clear()
            await self._sent.wait()

    async def run(self) -> None:
        """Write until closed. Raises whatever the server says of a connection that is gone."""
        row = 0
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                for text in self._frames(self._waiting.popleft()):
                    await self._write({"type": "websocket.send", "text": text})
                    row += 1
                    if row % SENDS_IN_A_ROW == 0:
                        time.sleep(0)  # noqa: ASYNC251 (gives the interpreter lock away, and waits for nothing)
                        await asyncio.sleep(0)
            if self._close is not None:
                await self._write({"type": "websocket.close", "code": self._close[0], "reason": self._close[1]})
                return

    async def _write(self, event: dict[str, Any]) -> None:
        self._since = time.monotonic()
        await self._send(event)
        if self._drained is not None:
            await self._drained()
        self._since = 0.0

    @property
    def stuck(self) -> bool:
        """The client does not read what is sent to it: one send has taken too long."""
        return self._since > 0 and time.monotonic() - self._since > STUCK

    def _frames(self, waiting: Waiting) -> Sequence[str]:
        if isinstance(waiting, str):
            self._shrink(len(waiting) + FRAME_BYTES)
            return (waiting,)
        subscription, content = waiting
        if isinstance(content, Run):
            self._shrink(content.size)
            return (_records_frame(subscription.sub, content),)
        return self._deliver_frames(subscription.sub, content)

    def _deliver_frames(self, sub: str, messages: list[Leased]) -> Sequence[str]:
        self._shrink(sum(len(message.body) for message in messages))
        head = b'{"op":"deliver","sub":%b,"messages":' % quoted(sub)
        return [b"".join([head, *delivered_parts(part), b"}"]).decode() for run in batches(messages) for part in split(run)]

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


def _records_frame(sub: str, run: Run) -> str:
    """The frame for a subscription of that name; encoded once for all who are sent the run."""
    key = "websocket", sub
    frame: str | None = run.encoded.get(key)
    if frame is None:
        parts: list[bytes] | None = run.encoded.get("json")
        if parts is None:
            parts = run.encoded["json"] = records.encoded_parts(run.records)
        head = b'{"op":"records","sub":%b,"partition":%d,"records":' % (quoted(sub), run.records[0].partition)
        frame = run.encoded[key] = b"".join([head, *parts, b"}"]).decode()
    return frame


def batches(messages: list[Leased], most: int = 1000) -> Sequence[list[Leased]]:
    """Runs of at most ``most`` messages, so that a frame of tiny ones stays within a client's limits."""
    if len(messages) <= most:
        return (messages,)
    return [messages[i : i + most] for i in range(0, len(messages), most)]
