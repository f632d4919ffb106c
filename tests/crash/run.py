"""What every run under faults is made of: traffic, one fault after another on one history, and the verdict."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Any

from tests.crash import books
from tests.crash.actors import Actor
from tests.crash.dose import pause
from tests.eventually import eventually
from tests.powerfail.shim import Disk
from tests.server import Server


class Run:
    """A server and the clients that live through its faults. What they do, and what is wrong with it, a campaign says."""

    history: Any

    def __init__(self, server: Server, number: int, *, disk: Disk | None = None) -> None:
        self.server, self.seed, self.disk = server, number, disk
        self.dice = random.Random(number)
        self.actors: list[Actor] = []
        self.trouble: list[str] = []

    def seen(self) -> int:
        """How much has come back to the clients by now."""
        raise NotImplementedError

    def wrongs(self) -> list[str]:
        """What is wrong with the stopped server's database."""
        return books.wrongs(self.server.data)

    def complaints(self) -> list[str]:
        """What the checkers say of the history."""
        raise NotImplementedError

    # --- traffic ---

    def traffic(self, least: int = 100) -> None:
        """Let ``least`` more come back, then a random moment pass: faults must not find a pattern."""
        before, end = self.seen(), time.monotonic() + pause(self.dice)
        eventually(lambda: self.seen() >= before + least, 30, why=f"traffic\n{self.server.log_tail()}")
        self.begin_more()
        eventually(lambda: time.monotonic() >= end, 30)

    def begin_more(self) -> None:
        """Begin what the next fault is to interrupt."""

    # --- faults ---

    def kill(self) -> None:
        """F1: SIGKILL; what it left is looked at before anybody repairs it."""
        self.server.kill()
        self.history.outage()
        self.audit()

    def cut_power(self, keep: float) -> None:
        """F2, F3: SIGKILL, then go on with what the disk may have."""
        assert self.disk is not None, "a power cut needs the library"
        self.server.kill()
        self.history.outage()
        self.disk.cut_power(keep=keep, seed=self.dice.randrange(1_000_000))
        self.audit()

    def restart(self) -> None:
        """Start on the same data; something must come back within 5 seconds of being ready (C9)."""
        self.server.start()
        before, ready = self.seen(), time.monotonic()
        eventually(lambda: self.seen() > before, 30, why="a delivery after the restart")
        if (took := time.monotonic() - ready) > 5:
            self.trouble.append(f"C9 the first delivery came {took:.1f} s after the restart")

    def audit(self) -> None:
        self.trouble += [f"{line} (after outage {self.history.epoch})" for line in self.wrongs()]

    # --- the end ---

    def release(self) -> None:
        """Let the clients go, also after a failure."""
        for actor in self.actors:
            actor.finish()

    def dismiss(self, actors: Iterable[Actor]) -> None:
        """Wait for clients to end; none may be left without an answer."""
        leaving = list(actors)
        for actor in leaving:
            actor.finish()
        for actor in leaving:
            actor.join(40)
            assert not actor.is_alive(), f"{actor.name} got no answer for 40 s\n{self.server.log_tail()}"

    def stop(self) -> None:
        """Stop the server, which must do so cleanly, and look at what it left."""
        assert self.server.terminate() == 0, f"not a clean stop\n{self.server.log_tail()}"
        self.audit()

    def judge(self) -> None:
        """Fail with every complaint, the seed that repeats the run, and the server's last words."""
        found = self.trouble + self.complaints()
        summary = f"seed {self.seed}: {self.history.summary()}"
        print(summary)
        assert not found, "\n".join([f"{len(found)} complaints; {summary}", *found[:40], self.server.log_tail()])
