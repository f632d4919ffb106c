"""The clients of peers: against the servers that are there, and byte by byte."""

from __future__ import annotations

import asyncio
import struct
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from benchmarks import __main__ as command
from benchmarks.arms import ours
from benchmarks.peers import amqp, nats, server, stomp, valkey
from benchmarks.peers.all import PEERS
from benchmarks.peers.link import Link, Window
from benchmarks.target import Target
from tests.benchmarks.exactly import settled


@pytest.mark.long
def test_clients_of_every_peer_that_is_there_settle_every_message():
    """None needs to be: then this says nothing, and what is below says the rest."""
    ways = [(100, False), (1, True)]  # messages a batch, and whether each is acknowledged by itself
    for name, peer in PEERS.items():
        program = peer.program()
        if program is None:
            continue
        # RabbitMQ boots for ten seconds, and its queue may be declared again; the others are there at once.
        for at_once in [ways] if name.startswith("rabbitmq") else [[way] for way in ways]:
            # Not below tmp_path, which an ordinary user may not enter.
            with tempfile.TemporaryDirectory() as folder, peer.run(program, Path(folder)) as running:
                target = Target(running.urls, "", running.pids, seconds=0, waiting=0)
                for batch, singly in at_once:
                    counted = asyncio.run(settled(target, batch=batch, singly=singly, number=600))
                    assert counted == (600, 600), (name, batch, singly)


def test_what_is_not_installed_has_no_program(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert server.beside_or_on_path("nats-server") is None


def test_what_is_not_installed_is_said_in_a_line_and_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    there, missing = PEERS["nats-default"], PEERS["valkey-always"]
    known = {"nats-default": replace(there, program=lambda: "/bin/true"), "valkey-always": replace(missing, program=lambda: None)}
    monkeypatch.setattr(command, "PEERS", known)
    arms = command._with_peers([ours("uvicorn", "uvicorn")], "")
    assert arms is not None
    assert [(arm.name, arm.base) for arm in arms] == [("uvicorn", ""), ("nats-default", "uvicorn")]
    assert capsys.readouterr().err == f"left out, not installed: valkey-always ({missing.install})\n"


class Sent:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.data = b""

    def write(self, data: bytes) -> None:
        self.data += data


def fed(link: Link, data: bytes, size: int) -> bytes:
    """What the client writes when this comes in pieces of a size."""
    sent = Sent()
    link.transport = cast(asyncio.Transport, sent)
    for at in range(0, len(data), size):
        link.data_received(data[at : at + size])
    assert not link.trouble
    assert not link.buffer
    return sent.data


SIZES = [1, 7, 100_000]


def delivery(tag: int, body: bytes) -> bytes:
    arguments = amqp.short("consumer") + struct.pack(">QB", tag, 0) + amqp.short("") + amqp.short("orders")
    header = struct.pack(">HHQHB", 60, 0, len(body), 0x1000, 2)
    return amqp.method(amqp.DELIVER, arguments) + amqp.frame(amqp.HEADER, 1, header) + amqp.frame(amqp.BODY, 1, body)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("singly", [False, True])
def test_amqp_deliveries_are_acked_each_once(size: int, singly: bool):
    consumer = amqp.Consumer("orders", prefetch=10, singly=singly)
    written = fed(consumer, b"".join(delivery(tag, b"\xce" * 50) for tag in (1, 2, 3)), size)
    assert consumer.acked == 3
    singles = b"".join(amqp.acknowledge(tag, multiple=False) for tag in (1, 2, 3))
    if singly:
        assert written == singles
    else:
        assert written.endswith(amqp.acknowledge(3, multiple=True))


@pytest.mark.parametrize("size", SIZES)
def test_amqp_confirms_come_in_any_order(size: int):
    publisher = amqp.Publisher("orders", b"x", batch=1, window=5)
    publisher.transport = cast(asyncio.Transport, Sent())
    publisher.allow(5)
    confirms = [(2, False), (3, True), (5, False), (4, True)]
    written = fed(publisher, b"".join(amqp.method(amqp.ACK, struct.pack(">QB", *confirm)) for confirm in confirms), size)
    assert publisher.confirmed == 5
    assert not publisher.unconfirmed
    assert written == b""  # the limit is reached


def test_amqp_a_refused_publish_is_trouble():
    publisher = amqp.Publisher("orders", b"x", batch=1, window=5)
    publisher.data_received(amqp.method(amqp.NACK, struct.pack(">QB", 1, 0)))
    assert publisher.trouble


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("singly", [False, True])
def test_nats_messages_are_acked_and_more_is_pulled(size: int, singly: bool):
    consumer = nats.Consumer(prefetch=4, singly=singly)
    consumer.inbox = b"_INBOX.x"
    messages = b"".join(b"MSG orders 1 $JS.ACK.%d 6\r\nbo\r\ndy\r\n" % n for n in range(4))
    written = fed(consumer, b'INFO {"a":1}\r\n' + messages[:40] + messages[40:] + b"PING\r\n", size)
    assert consumer.acked == 4
    for n in range(4):
        assert written.count(b"PUB $JS.ACK.%d 4\r\n+ACK\r\n" % n) == 1
    pulled = [int(part.split(b"}")[0]) for part in written.split(b'{"batch":')[1:]]
    assert sum(pulled) == 4
    assert written.count(b"PONG\r\n") == 1


def test_nats_an_error_in_a_confirm_is_trouble():
    publisher = nats.Publisher(b"x", batch=1, window=1)
    text = b'{"error":{"code":503}}'
    publisher.transport = cast(asyncio.Transport, Sent())
    publisher.data_received(b"MSG _INBOX.p 1 %d\r\n%b\r\n" % (len(text), text))
    assert publisher.trouble == text


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("singly", [False, True])
def test_valkey_entries_are_acked_and_deleted_each_once(size: int, singly: bool):
    consumer = valkey.Consumer(prefetch=10, singly=singly)
    entries = b"".join(b"*2\r\n$3\r\n%d-0\r\n*2\r\n$4\r\nbody\r\n$6\r\nbo\r\ndy\r\n" % n for n in range(3))
    read = b"*1\r\n*2\r\n$6\r\norders\r\n*3\r\n" + entries
    written = fed(consumer, read + b":1\r\n:1\r\n" * (3 if singly else 1), size)
    assert consumer.acked == 3
    assert not consumer.asked
    assert written.endswith(consumer.read)
    for n in range(3):
        assert written.count(b"$3\r\n%d-0\r\n" % n) == 2  # XACK and XDEL


@pytest.mark.parametrize("size", SIZES)
def test_valkey_every_answer_confirms_one(size: int):
    publisher = valkey.Publisher(b"x", batch=2, window=2)
    publisher.transport = cast(asyncio.Transport, Sent())
    publisher.allow(6)
    written = fed(publisher, b"$3\r\n1-0\r\n" * 4, size)
    assert publisher.confirmed == 4
    assert written == valkey.command(b"XADD", valkey.STREAM, b"*", valkey.FIELD, b"x") * 2  # the last two that are allowed


def test_stomp_receipts_confirm_and_open_the_window():
    sent: list[bytes] = []
    publisher = stomp.Publisher(b"x", batch=1, window=2)
    publisher.socket = cast(Any, type("Socket", (), {"send": staticmethod(sent.append)}))
    publisher.allow(3)
    assert len(sent) == 2
    publisher.on_frame(b"RECEIPT\nreceipt-id:0\n\n\0")
    assert (publisher.confirmed, len(sent)) == (1, 3)
    assert [part.split(b"receipt:")[1].split(b"\n")[0] for part in sent] == [b"0", b"1", b"2"]


def test_a_window_is_never_overfilled():
    sent: list[int] = []
    window = Window(10, 3, sent.append)
    window.allow(1000)
    assert sent == [0, 10, 20]
    window.confirm(9)
    window.fill()
    assert len(sent) == 3
    window.confirm(1)
    window.fill()
    assert sent[3:] == [30]
