"""What is measured beside each other: this checkout on a server, another checkout, a peer. Each run is on a fresh broker."""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.clients import QUEUE
from benchmarks.databases import SQLITE, Database
from benchmarks.peers.server import Peer, Running
from benchmarks.target import Figures
from tests.server import ROOT, TOKEN, Server

Load = Callable[[str, Running], Figures]


@dataclass(frozen=True)
class Arm:
    """One column. ``run`` starts its broker in a folder; ratios are the arm named ``base`` against this one."""

    name: str
    run: Callable[[Path], AbstractContextManager[Running]]
    base: str = ""
    about: str = ""

    def measure(self, workload: str, load: Load, data: Path | None) -> Figures:
        """The figures of one run; ``failed`` says why there are none."""
        folder = Path(tempfile.mkdtemp(prefix="brokerweb-bench-", dir=data))
        try:
            with self.run(folder) as running:
                return load(workload, running)
        except (AssertionError, OSError) as error:
            return {"failed": str(error)[-600:]}
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def ours(
    name: str, kind: str, *, tree: Path | None = None, base: str = "", database: Database = SQLITE, consoles: int = 0
) -> Arm:
    """A checkout (this one, unless told otherwise) on Daphne or Uvicorn, with so many people looking at its busiest queue."""

    @contextmanager
    def run(folder: Path) -> Iterator[Running]:
        with database.run(folder) as (environment, pid), ExitStack() as nodes:
            started: list[Running] = []
            for n in range(database.nodes):
                node = Server(folder / f"data{n or ''}", kind=kind, empty=True, tree=tree, environment=environment)
                nodes.enter_context(node).start()
                nodes.callback(node.terminate)
                started.append(Running(node.url, node.pid, node.log))
            first, *others = started
            nodes.enter_context(_looking(first.url, consoles))
            yield replace(first, others=others, database=pid)

    return Arm(name, run, base)


@contextmanager
def _looking(url: str, consoles: int) -> Iterator[None]:
    """So many browsers on the pages of the queue that is measured, in a process of their own."""
    if not consoles:
        yield
        return
    command = [sys.executable, "-m", "benchmarks.consoles", url, str(consoles), QUEUE]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as people:
        assert people.stdout is not None
        try:
            assert people.stdout.readline() == "ready\n", "nobody could sign in"
            yield
        finally:
            people.terminate()


def of_peer(peer: Peer, base: str) -> Arm:
    """A peer that is there."""
    program = peer.program()
    assert program is not None, peer.name
    return Arm(peer.name, lambda folder: peer.run(program, folder), base, peer.about)


def load(workload: str, running: Running, amounts: Sequence[str]) -> Figures:
    """Run the load generator, a process of its own, on a broker that is up."""
    command = [sys.executable, "-m", "benchmarks.load", workload, *_of_nodes(running), *amounts]
    if running.database is not None:
        command.append(str(running.database))
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"failed": last[:300], "log": running.log_tail()}
    return dict(json.loads(done.stdout))


def _of_nodes(running: Running) -> list[str]:
    return [",".join(running.urls), TOKEN, ",".join(map(str, running.pids))]


def in_turns(arms: Sequence[Arm], rounds: int) -> Iterator[tuple[int, Arm]]:
    """A B, B A, A B: what drifts in the machine takes from each the same."""
    for number in range(rounds):
        yield from ((number, arm) for arm in (arms if number % 2 == 0 else arms[::-1]))


@dataclass(frozen=True)
class Figure:
    """What stands for a run in a table, and whether more of it is better."""

    value: float
    unit: str

    @property
    def less_is_better(self) -> bool:
        return self.unit == "ms"

    def over(self, other: Figure) -> float | None:
        """How many times better than the other this is."""
        good, bad = (other.value, self.value) if self.less_is_better else (self.value, other.value)
        return good / bad if bad else None


def median(runs: Sequence[Figures]) -> Figure | None:
    """The rate, the ratio or the latency (p50) of those runs that came through."""
    for name, unit in (("p50_ms", "ms"), ("rate", ""), ("ratio", "ratio")):  # beside a latency the rate is what was asked for
        if found := [run for run in runs if name in run]:
            return Figure(statistics.median(run[name] for run in found), unit or str(found[0].get("unit", "/s")))
    return None
