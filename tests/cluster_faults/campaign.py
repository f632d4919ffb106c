"""One run: queues and streams in use on three nodes at once, faults one after another, and what the checkers say."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster_faults.actors import SurePiper
from tests.cluster_faults.checkers import complaints
from tests.cluster_faults.cluster import Cluster
from tests.crash import books
from tests.crash.actors import Producer
from tests.crash.campaign import Campaign
from tests.crash.stream_books import stream_wrongs
from tests.crash.stream_campaign import StreamCampaign
from tests.server import ROOT, inherited

HEALING = 3.0  # seconds after a fault in which what it has interrupted may still come to nothing
REPLAYS = 3  # of a run: each copies a thousand messages


class _OnNodes:
    """Nodes stop together, when both halves are done; what they left is looked at then."""

    trouble: list[str]

    def wrongs(self) -> list[str]:
        return []

    def stop(self) -> None:
        """Not yet."""

    def judge(self) -> None:
        """Not yet."""


class Queues(_OnNodes, Campaign):
    def employ(self) -> None:
        """Slower than at one broker: three nodes, their database and all clients share a machine."""
        super().employ()
        for actor in self.actors:
            if isinstance(actor, Producer):
                actor.pace = 0.03

    def complaints(self) -> list[str]:
        return complaints(self.history)


class Streams(_OnNodes, StreamCampaign):
    pipe = SurePiper

    def begin_more(self) -> None:
        if len(self.replays) < REPLAYS:
            super().begin_more()


class Both:
    """The two halves of the traffic on one cluster."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster, self.seed = cluster, seed
        self.queues = Queues(cluster, seed)  # type: ignore[arg-type]  # a cluster is to its clients what a server is
        self.streams = Streams(cluster, seed)  # type: ignore[arg-type]  # as above

    def open(self) -> None:
        self.queues.open()
        self.streams.open()

    def traffic(self) -> None:
        """Both halves get on: nobody waits for what a fault has taken away."""
        self.queues.traffic(60)
        self.streams.traffic(40)

    def suffer(self, fault: Callable[[], None]) -> None:
        print(f"{fault.__name__} … ", end="", flush=True)
        start = time.monotonic()
        fault()
        self.queues.history.faults.append((start, time.monotonic() + HEALING))
        self.traffic()

    def close(self, copy: Path) -> None:
        """The traffic ends, all is drained, the nodes stop; the history and the books are judged."""
        self.queues.close()
        self.streams.close()
        status = self.cluster.terminate()
        found = [f"not a clean stop: {status}"] if status else []
        found += [*self._books(copy), *self.queues.trouble, *self.queues.complaints()]
        found += [*self.streams.trouble, *self.streams.complaints()]
        summary = f"seed {self.seed}: {self.queues.history.summary()} {self.streams.history.summary()}"
        print(summary)
        assert not found, "\n".join([f"{len(found)} complaints; {summary}", *found[:40], self.cluster.log_tail()])

    def release(self) -> None:
        self.queues.release()
        self.streams.release()

    def _books(self, copy: Path) -> list[str]:
        """C8: the database as a file, by ``copy``, in which the same must hold as where a file is served."""
        source = self.cluster.postgres.url(self.cluster.database)
        command = [sys.executable, "manage.py", "copy", source, f"sqlite:{copy / 'brokerweb.sqlite3'}"]
        environment = {**inherited(), "BROKERWEB_DATA": str(copy.with_name("none"))}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        return books.wrongs(copy) + stream_wrongs(copy)
