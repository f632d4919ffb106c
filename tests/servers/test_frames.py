"""Frames as bytes, right and wrong: what is taken by the short way under Uvicorn is answered as the library would answer it."""

from __future__ import annotations

import asyncio
import random
import struct
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from brokerweb.servers import frames
from brokerweb.servers.uvicorn import websocket
from brokerweb.servers.uvicorn.websocket import WebSocket
from tests.abuse.wire import BINARY, CLOSE, CONTINUATION, FIN, PING, PONG, TEXT, close_code, frame

HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
MOST = 1000


class Wire(asyncio.Transport):
    """The connection: what was written to it, and whether it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.written, self.ended, self.reads = b"", False, True
        self.half_closed = False
        self.pauses = 0

    def write(self, data: Any) -> None:
        assert not self.ended
        assert not self.half_closed
        self.written += data

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.half_closed = True

    def pause_reading(self) -> None:
        self.reads = False
        self.pauses += 1

    def resume_reading(self) -> None:
        self.reads = True

    def close(self) -> None:
        self.ended = True

    abort = close

    def is_closing(self) -> bool:
        return self.ended

    def get_write_buffer_size(self) -> int:
        return 0


class Intake:
    """Notes what it is given; takes ``room`` frames in a turn of the loop."""

    most = MOST

    def __init__(self, room: int = 32) -> None:
        self.all_room = self.room = room
        self.busy = False
        self.got: list[str | bytes] = []
        self.turns: list[int] = []
        self.go_on: Callable[[], None] = lambda: None

    def put(self, frames: Iterable[str | bytes]) -> None:
        some = list(frames)
        self.got += some
        self.turns.append(len(some))
        self.room -= len(some)
        if self.room <= 0 and not self.busy:
            self.busy = True
            asyncio.get_running_loop().call_soon(self._again)

    def _again(self) -> None:
        self.room, self.busy = self.all_room, False
        self.go_on()


class Client:
    """One accepted socket, with an intake or without."""

    def __init__(self, intake: Intake | None = None) -> None:
        self.intake = intake
        self.queued: list[str | bytes] = []
        self.ended: dict[str, Any] | None = None
        self.wire = Wire()
        config = uvicorn.Config(
            self._application,
            interface="asgi3",
            log_config=None,
            ws_max_size=MOST,
            ws_per_message_deflate=False,
            ws_ping_interval=None,
        )
        self.protocol = WebSocket(config, ServerState(), {}, asyncio.get_running_loop())
        self.accepted = asyncio.Event()
        self.running: asyncio.Task[None] | None = None
        self.protocol.connection_made(self.wire)
        self.protocol.data_received(HANDSHAKE)

    async def _application(self, scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.wire.written = b""
        if self.intake is not None:
            self.intake.go_on = self.protocol.go_on
            self.protocol.feed(self.intake)
        self.accepted.set()
        while (event := await receive())["type"] == "websocket.receive":
            self.queued.append(event["text"] if event.get("text") is not None else bytes(event["bytes"]))
        self.ended = event
        await asyncio.sleep(3600)

    async def read(self, *pieces: bytes) -> None:
        await asyncio.wait_for(self.accepted.wait(), 10)
        for piece in pieces:
            if not self.wire.ended:
                self.protocol.data_received(piece)
                await turns()

    def answers(self) -> tuple[Any, ...]:
        """All that can be seen from outside."""
        got = self.queued if self.intake is None else [*self.queued, *self.intake.got]
        return got, self.wire.written, self.wire.ended, self.wire.half_closed, self.ended


async def turns(number: int = 10) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def masked(data: bytes, mask: bytes = b"\x01\x82\x33\xff", kind: int = TEXT, first: int = FIN) -> bytes:
    """A frame whose mask changes something."""
    hidden = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
    whole = frame(hidden, kind, first=first)
    return whole[: len(whole) - len(hidden) - 4] + mask + hidden


A, B, C = masked(b'{"a":1}'), masked("\u00e9\U0001f600".encode()), frame(b"c" * 300)
BAD_TEXT = b"\xff\xfe"
AGAIN = [A, B]
STREAMS: dict[str, list[bytes]] = {
    "texts": [A, B, C, A],
    "an empty text": [A, frame(b""), B],
    "the largest": [frame(b"x" * MOST), A],
    "a byte more": [A, frame(b"x" * (MOST + 1)), *AGAIN],
    "a length of 2^63": [A, frame(b"x", length=1 << 63), *AGAIN],
    "a length that could be shorter": [
        A,
        b"\x81\xfe\x00\x01" + bytes(4) + b"x",
        b"\x81\xff" + bytes(7) + b"\x01" + bytes(4) + b"y",
        B,
    ],
    "binary": [A, frame(b"\0\xff", BINARY), B],
    "parts": [A, masked(b"one ", first=0), masked(b"two ", kind=CONTINUATION, first=0), masked(b"three", kind=CONTINUATION), B],
    "a character in two parts": [frame(b"\xc3", first=0), frame(b"\xa9", CONTINUATION), A],
    "a ping between parts": [frame(b"one ", first=0), frame(b"?", PING), frame(b"two", CONTINUATION), A],
    "a pong between parts": [frame(b"one ", first=0), frame(b"!", PONG), frame(b"two", CONTINUATION), A],
    "a text between parts": [A, frame(b"one ", first=0), B, frame(b"two", CONTINUATION), A],
    "a binary frame between parts": [frame(b"one ", first=0), frame(b"x", BINARY), A],
    "parts of a binary frame": [frame(b"\0", BINARY, first=0), frame(b"\xff", CONTINUATION), A],
    "parts that are too large": [frame(b"x" * 600, first=0), frame(b"x" * 600, CONTINUATION), *AGAIN],
    "an empty first part": [frame(b"", first=0), frame(b"x", CONTINUATION), A],
    "a continuation of nothing": [A, frame(b"x", CONTINUATION), *AGAIN],
    "a part, and a close": [frame(b"one", first=0), frame(struct.pack(">H", 1000), CLOSE), *AGAIN],
    "pings": [A, frame(b"?", PING), B, frame(b"", PING), C],
    "a ping of 126 bytes": [A, frame(b"x" * 126, PING), *AGAIN],
    "a ping in parts": [A, frame(b"x", PING, first=0), *AGAIN],
    "a pong nobody asked for": [A, frame(b"x", PONG), B],
    **{f"reserved bit {bit:#x}": [A, frame(b"x", first=FIN | bit), *AGAIN] for bit in (0x40, 0x20, 0x10)},
    "a reserved bit of a part": [A, frame(b"x", first=0x40), *AGAIN],
    "a reserved bit of a ping": [A, frame(b"x", PING, first=FIN | 0x10), *AGAIN],
    **{f"opcode {kind:#x}": [A, frame(b"x", kind), *AGAIN] for kind in (3, 7, 0xB, 0xF)},
    "no mask": [A, frame(b"x", masked=False), *AGAIN],
    "a ping without a mask": [A, frame(b"x", PING, masked=False), *AGAIN],
    "invalid UTF-8": [A, frame(BAD_TEXT), *AGAIN],
    "half a character": [A, frame(b"\xc3"), *AGAIN],
    "half a surrogate pair": [A, frame(b"\xed\xa0\x80"), *AGAIN],
    "invalid UTF-8 under a mask": [masked(BAD_TEXT), *AGAIN],
    "invalid UTF-8 in parts": [frame(b"x", first=0), frame(BAD_TEXT, CONTINUATION), *AGAIN],
    "a close": [A, frame(struct.pack(">H", 1000) + b"bye", CLOSE), *AGAIN],
    "a close without a code": [A, frame(b"", CLOSE), *AGAIN],
    "a close of one byte": [A, frame(b"\x03", CLOSE), *AGAIN],
    "a close with a code that is none": [A, frame(struct.pack(">H", 1005), CLOSE), *AGAIN],
    "a close whose reason is not UTF-8": [A, frame(struct.pack(">H", 1000) + BAD_TEXT, CLOSE), *AGAIN],
}


def cut(data: bytes, sizes: Callable[[], int]) -> list[bytes]:
    pieces = []
    while data:
        size = sizes()
        pieces.append(data[:size])
        data = data[size:]
    return pieces


@pytest.mark.parametrize("pieces", ["whole", "frame by frame", "byte by byte", "at random"])
@pytest.mark.parametrize("name", STREAMS)
def test_the_answers_are_the_same_with_an_intake_and_without(name: str, pieces: str) -> None:
    whole, dice = b"".join(STREAMS[name]), random.Random(name)
    ways = {
        "whole": [whole],
        "frame by frame": STREAMS[name],
        "byte by byte": [bytes([byte]) for byte in whole],
        "at random": cut(whole, lambda: dice.randrange(1, 40)),
    }

    async def scene() -> None:
        seen = []
        for intake in (None, Intake(), Intake(1)):
            client = Client(intake)
            await client.read(*ways[pieces])
            await turns(50)
            seen.append(client.answers())
        assert seen[1] == seen[0]
        assert seen[2] == seen[0]

    asyncio.run(scene())


def test_whatever_comes_in_whatever_pieces_the_answers_are_the_same() -> None:
    dice = random.Random(13)
    everything = [part for stream in STREAMS.values() for part in stream]

    async def scene() -> None:
        for _ in range(300):
            data = b"".join(dice.choices([A, B, C, *everything], k=dice.randrange(1, 30)))
            pieces = cut(data, lambda: dice.choice([1, 2, 7, 100, 4000]))
            plain, fed = Client(), Client(Intake(dice.choice([1, 2, 32])))
            for client in (plain, fed):
                await client.read(*pieces)
                await turns(50)
            assert fed.answers() == plain.answers()

    asyncio.run(scene())


SHORT = frame(b"x")
TAKEN: dict[str, tuple[bytes, list[str], int]] = {
    "nothing": (b"", [], 0),
    "two": (A + B, ['{"a":1}', "\u00e9\U0001f600"], len(A + B)),
    "up to three": (SHORT * 4, ["x"] * 3, 3 * len(SHORT)),
    "one, and a part of the next": (SHORT + A[:-1], ["x"], len(SHORT)),
    "one, and a part of a head": (SHORT + frame(b"x" * 200)[:5], ["x"], len(SHORT)),
    "125, 126 and 1000 bytes": (
        frame(b"a" * 125) + frame(b"b" * 126) + frame(b"c" * MOST),
        ["a" * 125, "b" * 126, "c" * MOST],
        1273,
    ),
    "a byte more than may be": (SHORT + frame(b"x" * (MOST + 1)), ["x"], len(SHORT)),
    "a length that could be shorter": (SHORT + b"\x81\xfe\x00\x01" + bytes(4) + b"x", ["x"], len(SHORT)),
    "no mask": (SHORT + frame(b"xxxxxxxx", masked=False), ["x"], len(SHORT)),
    "a ping": (SHORT + frame(b"x", PING) + SHORT, ["x"], len(SHORT)),
    "a first part": (SHORT + frame(b"x", first=0) + SHORT, ["x"], len(SHORT)),
    "a reserved bit": (SHORT + frame(b"x", first=FIN | 0x40), ["x"], len(SHORT)),
    "not UTF-8": (SHORT + frame(BAD_TEXT) + SHORT, ["x"], len(SHORT)),
}


@pytest.mark.parametrize("kind", [bytes, bytearray])
@pytest.mark.parametrize("name", TAKEN)
def test_only_whole_texts_are_taken(name: str, kind: type[bytes] | type[bytearray]) -> None:
    data, texts, size = TAKEN[name]
    assert frames.whole_texts(kind(data), MOST, 3) == (texts, size)


def test_invalid_text_closes_with_1007_and_nothing_behind_it_is_handled() -> None:
    async def scene() -> None:
        client = Client(Intake())
        await client.read(A + frame(BAD_TEXT) + B)
        assert client.intake is not None
        assert client.intake.got == ['{"a":1}']
        assert close_code(client.wire.written) == 1007

    asyncio.run(scene())


def test_what_came_before_the_client_was_known_is_handled_first() -> None:
    async def scene() -> None:
        client = Client(Intake())
        client.protocol.data_received(frame(b"1") + frame(b"2") + frame(b"3", first=0))
        await client.read(frame(b"4", CONTINUATION) + frame(b"5"))
        assert client.queued == []
        assert client.intake is not None
        assert client.intake.got == ["1", "2", "34", "5"]

    asyncio.run(scene())


def test_one_large_read_is_handled_in_many_turns_and_the_connection_is_read_on() -> None:
    async def scene() -> None:
        intake = Intake(32)
        client = Client(intake)
        await asyncio.wait_for(client.accepted.wait(), 10)
        client.protocol.data_received(frame(b"x" * 10) * 1000)
        assert len(intake.got) == 32
        await turns(100)
        assert len(intake.got) == 1000
        assert max(intake.turns) == 32
        assert client.wire.pauses == 0

    asyncio.run(scene())


def test_a_connection_is_read_no_further_while_too_much_waits() -> None:
    async def scene() -> None:
        intake = Intake(1)
        client = Client(intake)
        await asyncio.wait_for(client.accepted.wait(), 10)
        intake.go_on = lambda: None  # something waits
        sent = 0
        while client.wire.reads:
            client.protocol.data_received(frame(b"%d" % sent) * 1000)
            sent += 1000
            await turns(1)
            assert sent * 12 < websocket.UNREAD * 2
        assert sent * 12 > websocket.UNREAD
        held = client.protocol.conn.reader.buffer
        assert len(held) <= sent * 12
        intake.go_on, intake.all_room = client.protocol.go_on, 10_000
        client.protocol.go_on()
        await turns(20)
        assert client.wire.reads
        assert (len(intake.got), len(held)) == (sent, 0)

    asyncio.run(scene())


@pytest.mark.parametrize("last", [b"", frame(struct.pack(">H", 1000), CLOSE), frame(struct.pack(">H", 4000) + b"x", CLOSE)])
def test_a_client_that_goes_has_said_what_it_said(last: bytes) -> None:
    async def scene() -> None:
        intake = Intake(1)
        client = Client(intake)
        await asyncio.wait_for(client.accepted.wait(), 10)
        client.protocol.data_received(frame(b"x") * 500 + last)
        assert len(intake.got) == 1
        client.wire.ended = True
        client.protocol.connection_lost(None)
        await turns()
        assert len(intake.got) == 500
        assert client.ended is not None
        assert client.ended["code"] == (int.from_bytes(last[6:8], "big") if last else 1005)

    asyncio.run(scene())


def test_a_large_frame_in_small_pieces_is_not_looked_at_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real = frames.whole_texts

    def counted(data: bytearray, most: int, number: int) -> tuple[list[str], int]:
        asked.append(len(data))
        return real(data, most, number)

    monkeypatch.setattr(frames, "whole_texts", counted)

    async def scene() -> None:
        client = Client(Intake())
        await asyncio.wait_for(client.accepted.wait(), 10)
        for piece in cut(frame(b"x" * MOST), lambda: 10):
            client.protocol.data_received(piece)
        assert client.intake is not None
        assert client.intake.got == ["x" * MOST]
        assert len(asked) <= 3

    asyncio.run(scene())
