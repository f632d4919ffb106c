"""One run: a broker with traffic on it, faults one after another, a drain at the end, and what the checkers say.

A campaign carries one history over all its faults, so the clients live through every restart as real ones do: they resend
with their dedup_id, come back with old receipts, and find their messages again.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.crash.actors import Actor, RestConsumer, RestProducer, SocketConsumer, SocketProducer
from tests.crash.checkers import complaints
from tests.crash.history import Dead, History
from tests.crash.run import Run
from tests.eventually import eventually
from tests.powerfail.shim import Disk
from tests.server import Server

DRAINED = 100  # messages a second, at the least, where clients, faults and broker share a machine
QUEUES: dict[str, dict[str, object]] = {
    "plain": {"lease": 2, "max_failures": 100, "backoff": {"initial": 0.05, "max": 0.5}},
    "polled": {"lease": 2, "max_failures": 100, "backoff": {"initial": 0.05, "max": 0.5}},
    "keyed": {"lease": 2, "max_failures": 100, "keyed": True, "backoff": {"initial": 0.05, "max": 0.5}},
    "poison": {"lease": 2, "max_failures": 3, "backoff": {"initial": 0.05, "max": 0.5}},
    "once": {"lease": 2},
    "kept": {
        "lease": 2,
        "max_failures": 100,
        "backoff": {"initial": 0.05, "max": 0.5},
        "history": "full",
        "keep_settled": 86_400,
    },
}


class Campaign(Run):
    """A server, its traffic and its history."""

    def __init__(self, server: Server, number: int, *, disk: Disk | None = None) -> None:
        super().__init__(server, number, disk=disk)
        self.history = History()

    def seen(self) -> int:
        return len(self.history.deliveries)

    def complaints(self) -> list[str]:
        return complaints(self.history)

    # --- traffic ---

    def open(self) -> None:
        """Start the server, declare the queues, set everybody to work."""
        self.server.start()
        self.declare()
        self.employ()

    def declare(self) -> None:
        with self.server.rest() as rest:
            for name, settings in QUEUES.items():
                limit = rest.declare(name, **settings)["max_failures"]
                self.history.max_failures[name] = limit
        self.history.keyed, self.history.at_most_once, self.history.keeping = {"keyed"}, {"once"}, {"kept"}

    def employ(self) -> None:
        """Two producers, two consumers a face, and one that asks for no acknowledgement."""
        everywhere, name = list(QUEUES), f"{self.seed}"
        self.actors = [
            RestProducer(self.server, self.history, f"{name}.rp", queues=everywhere),
            SocketProducer(self.server, self.history, f"{name}.wp", queues=everywhere),
            RestConsumer(self.server, self.history, f"{name}.rc", queue="polled"),
            RestConsumer(self.server, self.history, f"{name}.rk", queue="keyed"),
            SocketConsumer(self.server, self.history, f"{name}.wa", queue="plain"),
            SocketConsumer(self.server, self.history, f"{name}.wb", queue="plain"),
            SocketConsumer(self.server, self.history, f"{name}.wk", queue="keyed"),
            SocketConsumer(self.server, self.history, f"{name}.wp", queue="poison"),
            SocketConsumer(self.server, self.history, f"{name}.wo", queue="once"),
            SocketConsumer(self.server, self.history, f"{name}.wt", queue="kept"),
            RestConsumer(self.server, self.history, f"{name}.rt", queue="kept"),
        ]
        for actor in self.actors:
            actor.start()

    # --- faults ---

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """F6: SIGSTOP for the length of the block."""
        self.server.freeze()
        start = time.monotonic()
        try:
            yield
        finally:
            self.history.freezes.append((start, time.monotonic()))
            self.server.thaw()

    # --- the end ---

    def close(self) -> None:
        """Stop the traffic, drain every queue, stop the server, and judge."""
        self.dismiss(self.actors)
        self.drain()
        self.history.dead = [*self.dead_letters()]
        self.history.kept = [*self.settled()]
        self.stop()
        self.judge()

    def drain(self) -> None:
        """Fresh consumers ack everything but poison, until nothing waits (C9: a minute, and what faults left at ``DRAINED``)."""
        producers = [actor for actor in self.actors if isinstance(actor, SocketProducer | RestProducer)]
        drainers: list[Actor] = [
            SocketConsumer(self.server, self.history, f"{self.seed}.drain.{name}", queue=name, kind="drain", prefetch=200)
            for name in QUEUES
        ]
        for actor in drainers:
            actor.start()
        seconds = 60 + sum(self.left().values()) / DRAINED
        eventually(self.drained, seconds, why=f"drained\n{self.server.log_tail()}", interval=0.1)
        for actor in drainers:
            actor.finish()
            actor.join(40)
        self.trouble += [f"C9 never answered: {len(p.again)} batches of {p.name}" for p in producers if len(p.again) > 50]

    def drained(self) -> bool:
        return not any(self.left().values())

    def left(self) -> dict[str, int]:
        """How many wait in each queue, in whatever state."""
        with self.server.rest() as rest:
            return {name: self._left(rest.queue(name)["counts"]) for name in QUEUES}

    @staticmethod
    def _left(counts: dict[str, int]) -> int:
        return sum(number for state, number in counts.items() if state != "dead")

    def settled(self) -> Iterator[str]:
        with self.server.rest() as rest:
            for name in self.history.keeping:
                yield from (item["id"] for item in rest.browse(name, state="settled") if item["outcome"] == "acked")

    def dead_letters(self) -> Iterator[Dead]:
        with self.server.rest() as rest:
            for name in QUEUES:
                for item in rest.browse(name, state="dead"):
                    uid = item["body"]["uid"]
                    yield Dead(item["id"], uid, name, item["reason"], item["attempts"], item["failures"])
