"""The worked example under SIGKILL, of the broker and of its workers: every number is squared once."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.dose import rounds, seed
from tests.eventually import eventually
from tests.server import ROOT, TOKEN, Server

WORKER = ROOT / "examples" / "effectively_once" / "worker.py"
NUMBERS = 120  # a round


class Workers:
    """Two of the example's processes."""

    def __init__(self, server: Server, log: Path) -> None:
        self.server, self.log = server, log
        self.running = [self._start(), self._start()]

    def _start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "BROKERWEB_URL": self.server.url, "BROKERWEB_TOKEN": TOKEN}
        with self.log.open("ab") as log:
            return subprocess.Popen([sys.executable, str(WORKER)], env=environment, stdout=log, stderr=subprocess.STDOUT)

    def replace(self, which: int) -> None:
        """SIGKILL one, and start another."""
        self.end(which)
        self.running[which] = self._start()

    def ended(self) -> bool:
        """Whether one has ended by itself, as none ever should."""
        return any(process.poll() is not None for process in self.running)

    def end(self, which: int) -> None:
        self.running[which].kill()
        self.running[which].wait()


@contextmanager
def working(server: Server, log: Path) -> Iterator[Workers]:
    workers = Workers(server, log)
    try:
        yield workers
    finally:
        for process in workers.running:
            process.kill()
            process.wait()


def squares(server: Server) -> int:
    with server.rest() as rest:
        return int(rest.queue("squares")["counts"]["ready"])


def wait_for_squares(server: Server, workers: Workers, least: int) -> None:
    eventually(lambda: workers.ended() or squares(server) >= least, 60, why=f"{least} squares\n{server.log_tail()}")
    assert not workers.ended(), f"a worker ended by itself:\n{workers.log.read_text()}"


def left(server: Server) -> int:
    with server.rest() as rest:
        return sum(rest.queue("numbers")["counts"].values())


def feed(server: Server, start: int) -> None:
    with server.rest() as rest:
        rest.publish("numbers", *({"body": number} for number in range(start, start + NUMBERS)))


@pytest.mark.long
def test_every_number_is_squared_once_whoever_is_killed(tmp_path: Path) -> None:
    number, count = seed(), rounds(3, 60)
    dice = random.Random(number)
    with Server(tmp_path / "data") as server:
        server.start()
        with server.rest() as rest:
            rest.declare("numbers", lease=2, max_failures=1000)
            rest.declare("squares")
        with working(server, tmp_path / "workers.log") as workers:
            for start in range(0, count * NUMBERS, NUMBERS):
                least = squares(server) + dice.randrange(NUMBERS // 2)
                feed(server, start)
                wait_for_squares(server, workers, least)
                server.kill()
                workers.replace(dice.randrange(2))
                server.start()
                workers.replace(dice.randrange(2))
            eventually(lambda: left(server) == 0, 60, why=f"seed {number}: all numbers squared", interval=0.1)
            assert not workers.ended()
        with server.rest() as rest:
            found = [item["body"] for item in rest.browse("squares", state="ready")]
    assert sorted(item["number"] for item in found) == list(range(count * NUMBERS)), f"seed {number}"
    assert all(item["square"] == item["number"] ** 2 for item in found)
