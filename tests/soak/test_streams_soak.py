"""Ten minutes of appends and tails with subscribers coming and going: nothing is lost, and memory is flat.

BROKERWEB_SOAK_SECONDS says how long. Its end is bounded whatever happens: every wait has a deadline.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.process import rss_mib
from tests.clients import Json, Refused, Socket
from tests.crash.actors import CUT
from tests.crash.stream_books import stream_wrongs
from tests.eventually import eventually
from tests.server import Server

SECONDS = float(os.environ.get("BROKERWEB_SOAK_SECONDS", "600"))
PARTITIONS, KEPT = 3, 20_000  # records of each partition: the file and its caches reach their size early
APPENDERS, STAYING, COMING_AND_GOING, MEMBERS, WORKERS = 2, 3, 8, 3, 3
GROWTH = 30.0  # MiB that memory may grow by between a quarter of the time and its end
WARM = 0.25  # of the time, until caches are full

pytestmark = pytest.mark.full


class Soak:
    """What everybody has seen; ``wrong`` is what should not have been."""

    def __init__(self, server: Server) -> None:
        self.server, self.over = server, threading.Event()
        self.wrong: list[str] = []
        self.counted: dict[str, int] = {}
        self.threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def count(self, what: str, n: int = 1) -> None:
        with self._lock:
            self.counted[what] = self.counted.get(what, 0) + n

    def complain(self, text: str) -> None:
        with self._lock:
            self.wrong.append(text)

    def employ(self, name: str, work: Callable[[str], None]) -> None:
        """Let ``work`` go on, session after session, until it is over; a session that breaks is a complaint."""

        def run() -> None:
            while not self.over.is_set():
                try:
                    work(name)
                except (*CUT, Refused, AssertionError) as error:
                    if not self.over.is_set():
                        self.complain(f"{name}: {error!r}")
                        self.over.wait(0.5)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self.threads.append(thread)
        thread.start()

    # Who is there

    def append(self, name: str) -> None:
        dice, number = random.Random(name), 0
        with self.server.socket() as socket:
            while not self.over.is_set():
                batch = [
                    {"body": {"from": name, "n": number + i}, "key": f"{name}-{i % 7}"} for i in range(dice.choice([1, 10, 50]))
                ]
                socket.call("publish", to="stream:events", messages=batch)
                number += len(batch)
                self.count("appended", len(batch))
                self.over.wait(0.01)

    def stay(self, name: str) -> None:
        """Follow from the beginning to the end of the run."""
        self._follow(name, time.monotonic() + SECONDS * 2)

    def come_and_go(self, name: str) -> None:
        """Follow for a while, from anywhere, at any pace, and go with or without a word."""
        dice = random.Random(f"{name}-{self.counted.get('sessions', 0)}")
        start: Json = {"from": dice.choice(["earliest", "latest"])}
        self._follow(
            name,
            time.monotonic() + dice.uniform(0.2, 5),
            start,
            prefetch=dice.choice([10, 300, 3000]),
            pause=dice.random() * 0.02,
        )

    def _follow(self, name: str, until: float, start: Json | None = None, *, prefetch: int = 3000, pause: float = 0) -> None:
        self.count("sessions")
        places: dict[int, int] = {}
        socket = self.server.socket()
        with closing(socket):
            sub = socket.call("subscribe", stream="events", prefetch=prefetch, **(start or {"from": "latest"}))["sub"]
            while not self.over.is_set() and time.monotonic() < until:
                frame = socket.next(0.2)
                if frame is not None and frame["op"] == "closed":
                    assert frame["code"] == "offset_out_of_range", frame
                    self.count("told what is gone")
                    return
                if frame is not None and frame["op"] == "records":
                    self._check(name, places, frame)
                    socket.send("credit", sub=sub, n=len(frame["records"]))
                    self.over.wait(pause)
            if random.Random(name).random() < 0.5:
                socket.cut()

    def _check(self, name: str, places: dict[int, int], frame: Json) -> None:
        number = frame["partition"]
        for record in frame["records"]:
            offset = int(record["offset"])
            if offset != places.get(number, offset):
                self.complain(f"{name} read {offset} of partition {number}, where {places[number]} was next")
            places[number] = offset + 1
        self.count("read", len(frame["records"]))

    def take_part(self, name: str) -> None:
        """A member of a group for a while: reads, commits, leaves."""
        until = time.monotonic() + random.Random(f"{name}{time.time()}").uniform(1, 8)
        with self.server.socket() as socket:
            sub = socket.call("subscribe", stream="events", group="billing", prefetch=1000)["sub"]
            while not self.over.is_set() and time.monotonic() < until:
                frame = socket.next(0.2)
                if frame is not None and frame["op"] == "closed":
                    return
                if frame is not None and frame["op"] == "records":
                    self._commit(socket, sub, frame)
        self.count("members")

    def _commit(self, socket: Socket, sub: str, frame: Json) -> None:
        socket.send("credit", sub=sub, n=len(frame["records"]))
        following = int(frame["records"][-1]["offset"]) + 1
        try:
            socket.call("commit", sub=sub, offsets={str(frame["partition"]): str(following)})
            self.count("committed")
        except Refused as refused:
            if refused.code != "conflict":  # it went to somebody else meanwhile
                raise

    def work(self, name: str) -> None:
        """A worker of a shared group for a while."""
        until = time.monotonic() + random.Random(f"{name}{time.time()}").uniform(1, 8)
        with self.server.socket() as socket:
            socket.call("subscribe", stream="events", group="workers", prefetch=200)
            while not self.over.is_set() and time.monotonic() < until:
                frame = socket.next(0.2)
                if frame is not None and frame["op"] == "deliver":
                    socket.send("ack", receipts=[message["receipt"] for message in frame["messages"]])
                    self.count("worked off", len(frame["messages"]))


@pytest.fixture
def soak(tmp_path: Path) -> Iterator[Soak]:
    with Server(tmp_path / "data") as server:
        soak = Soak(server.start())
        yield soak
        soak.over.set()


def test_nothing_is_lost_and_memory_is_flat(soak: Soak) -> None:
    with soak.server.rest() as rest:
        rest.call("PUT", "/streams/events", {"partitions": PARTITIONS, "retention_records": KEPT})
        rest.call("PUT", "/streams/events/groups/billing", {"start": "earliest", "session_timeout": 2})
        rest.call("PUT", "/streams/events/groups/workers", {"kind": "shared", "start": "earliest", "max_failures": None})
    crowd = {"append": APPENDERS, "stay": STAYING, "come_and_go": COMING_AND_GOING, "take_part": MEMBERS, "work": WORKERS}
    for role, number in crowd.items():
        for n in range(number):
            soak.employ(f"{role}-{n}", getattr(soak, role))
    memory = _run(soak)
    soak.over.set()
    for thread in soak.threads:
        thread.join(60)
        assert not thread.is_alive(), f"{thread.name} got no answer\n{soak.server.log_tail()}"
    print(soak.counted, [round(mib) for mib in memory])
    assert soak.wrong[:20] == []
    assert min(soak.counted.get(what, 0) for what in ("appended", "read", "committed", "worked off")) > 0
    assert soak.server.terminate() == 0
    assert stream_wrongs(soak.server.data) == []
    warm = memory[int(len(memory) * WARM) :]
    assert max(warm[-5:]) - min(warm[:5]) < GROWTH, f"memory in MiB: {[round(mib) for mib in memory]}"


def _run(soak: Soak) -> list[float]:
    """Let time pass; the server's memory, looked at sixty times."""
    memory: list[float] = []
    start = time.monotonic()
    for n in range(60):
        at = start + SECONDS * (n + 1) / 60
        eventually(lambda: time.monotonic() >= at or bool(soak.wrong), SECONDS + 10, interval=0.1)  # noqa: B023 (called at once)
        memory.append(rss_mib(soak.server.pid))
        if soak.wrong:
            break
    return memory
