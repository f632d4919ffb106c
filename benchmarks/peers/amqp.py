"""A lean client of AMQP 0-9-1: one channel, publisher confirms, manual acks. Only what the regimes need of the protocol."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable

from benchmarks.peers.link import Link, Window

METHOD, HEADER, BODY, END = 1, 2, 3, 0xCE
HEAD = struct.Struct(">BHI")
FRAME_MAX = 131_072
START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK, CLOSE = (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41), (10, 50)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
DECLARE, DECLARE_OK = (50, 10), (50, 11)
QOS, QOS_OK, CONSUME, CONSUME_OK = (60, 10), (60, 11), (60, 20), (60, 21)
PUBLISH, DELIVER, ACK, NACK = (60, 40), (60, 60), (60, 80), (60, 120)
SELECT, SELECT_OK = (85, 10), (85, 11)

Method = tuple[int, int]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    """A whole frame."""
    return HEAD.pack(kind, channel, len(payload)) + payload + bytes((END,))


def method(name: Method, arguments: bytes, channel: int = 1) -> bytes:
    """A frame with a method."""
    return frame(METHOD, channel, struct.pack(">HH", *name) + arguments)


def short(text: str) -> bytes:
    data = text.encode()
    return bytes((len(data),)) + data


def long(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def table(**fields: str) -> bytes:
    """A table of texts; ``_`` in a name stands for ``-``."""
    return long(b"".join(short(name.replace("_", "-")) + b"S" + long(text.encode()) for name, text in fields.items()))


def publish(queue: str, body: bytes) -> bytes:
    """A persistent message to a queue, by the default exchange."""
    to = method(PUBLISH, b"\0\0" + short("") + short(queue) + b"\0")
    return to + frame(HEADER, 1, struct.pack(">HHQHB", 60, 0, len(body), 0x1000, 2)) + frame(BODY, 1, body)


def acknowledge(tag: int, *, multiple: bool) -> bytes:
    return method(ACK, struct.pack(">QB", tag, multiple))


class Connection(Link):
    """A connection with one open channel."""

    async def start(self, url: str) -> None:
        """Connect, sign in as guest, open the channel."""
        started = self.reply(START)
        await self.open(url)
        self.transport.write(b"AMQP\0\0\x09\x01")
        await started
        sign_in = table() + short("PLAIN") + long(b"\0guest\0guest") + short("en_US")
        await self._call(method(START_OK, sign_in, 0), TUNE)
        self.transport.write(method(TUNE_OK, struct.pack(">HIH", 16, FRAME_MAX, 0), 0))
        await self._call(method(OPEN, short("/") + b"\0\0", 0), OPEN_OK)
        await self._call(method(CHANNEL_OPEN, b"\0"), CHANNEL_OPEN_OK)

    async def _call(self, sent: bytes, answer: Method) -> bytes:
        answered = self.reply(answer)
        self.transport.write(sent)
        return await asyncio.wait_for(answered, 30)

    async def declare(self, queue: str, kind: str) -> None:
        """A durable queue of a kind: classic or quorum."""
        await self._call(method(DECLARE, b"\0\0" + short(queue) + b"\2" + table(x_queue_type=kind)), DECLARE_OK)

    async def select(self) -> None:
        """Publishes are confirmed from here on."""
        await self._call(method(SELECT, b"\0"), SELECT_OK)

    async def qos(self, prefetch: int) -> None:
        await self._call(method(QOS, struct.pack(">IHB", 0, prefetch, 0)), QOS_OK)

    def consume(self, queue: str) -> None:
        arguments = b"\0\0" + short(queue) + short("") + b"\0" + table()
        self.transport.write(method(CONSUME, arguments))

    def cut(self) -> None:
        buffer, at, end = self.buffer, 0, len(self.buffer)
        while end - at >= 8:
            kind, _, size = HEAD.unpack_from(buffer, at)
            if end - at < size + 8:
                break
            if kind == METHOD:
                self._method(buffer, at + 7, size)
            elif kind == BODY:
                self.on_body()
            at += size + 8
        del buffer[:at]

    def _method(self, buffer: bytearray, at: int, size: int) -> None:
        name = (buffer[at] << 8 | buffer[at + 1], buffer[at + 2] << 8 | buffer[at + 3])
        if name == DELIVER:
            tag = at + 5 + buffer[at + 4]  # after the consumer's name
            self.on_deliver(int.from_bytes(buffer[tag : tag + 8], "big"))
        elif name == ACK:
            self.on_confirm(int.from_bytes(buffer[at + 4 : at + 12], "big"), bool(buffer[at + 12] & 1))
        elif name in (CLOSE, CHANNEL_CLOSE, NACK):
            self.trouble = bytes(buffer[at : at + size])
            self.connection_lost(None)
        elif name in self.waiting:
            self.waiting.pop(name).set_result(bytes(buffer[at + 4 : at + size]))

    def on_deliver(self, tag: int) -> None:
        """A delivery began; its body follows."""

    def on_body(self) -> None:
        """A body is whole: those of the regimes fit in one frame."""

    def on_confirm(self, tag: int, multiple: bool) -> None:
        """A publish is confirmed, or all up to it."""


class Publisher(Connection):
    """Publishes to one queue; confirmed by the broker."""

    def __init__(self, queue: str, body: bytes, *, batch: int, window: int) -> None:
        super().__init__()
        data = publish(queue, body) * batch
        self.window = Window(batch, window, lambda sent: self.transport.write(data))
        self.unconfirmed: dict[int, None] = {}
        self.numbered = 0

    @property
    def confirmed(self) -> int:
        return self.window.confirmed

    async def connect(self, url: str, token: str) -> None:
        await self.start(url)
        await self.select()

    def allow(self, limit: int) -> None:
        self.window.allow(limit)

    def on_confirm(self, tag: int, multiple: bool) -> None:
        """Confirms come in any order; those up to a tag may have come before."""
        while self.numbered < self.window.sent:
            self.numbered += 1
            self.unconfirmed[self.numbered] = None
        tags = [tag]
        if multiple:
            tags = []
            for each in self.unconfirmed:  # in the order they were sent
                if each > tag:
                    break
                tags.append(each)
        for each in tags:
            del self.unconfirmed[each]
        self.window.confirm(len(tags))

    def after_read(self) -> None:
        self.window.fill()


class Consumer(Connection):
    """Acknowledges what came in one read with one ack, or each message by itself."""

    def __init__(self, queue: str, *, prefetch: int, singly: bool) -> None:
        super().__init__()
        self.queue, self.prefetch, self.singly = queue, prefetch, singly
        self.acked = self.tag = self.whole = self.settled = 0
        self.on_acked: Callable[[], None] = lambda: None

    async def connect(self, url: str, token: str) -> None:
        await self.start(url)
        await self.qos(self.prefetch)

    def consume(self) -> None:  # type: ignore[override]  # of the queue it was made for
        super().consume(self.queue)

    def on_deliver(self, tag: int) -> None:
        self.tag = tag

    def on_body(self) -> None:
        self.whole = self.tag

    def after_read(self) -> None:
        if self.whole == self.settled:
            return
        if self.singly:
            for tag in range(self.settled + 1, self.whole + 1):
                self.transport.write(acknowledge(tag, multiple=False))
        else:
            self.transport.write(acknowledge(self.whole, multiple=True))
        self.acked += self.whole - self.settled
        self.settled = self.whole
        self.on_acked()
