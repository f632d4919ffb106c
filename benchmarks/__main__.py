"""Run the workloads on fresh brokers: ``python -m benchmarks --help``."""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmarks.arms import Arm, in_turns, load, of_peer, ours
from benchmarks.databases import SQLITE, postgres
from benchmarks.peers.all import PEERS
from benchmarks.peers.server import Running
from benchmarks.regimes import KINDS, REGIMES
from benchmarks.table import table
from benchmarks.target import Figures
from benchmarks.workloads import TABLES, WORKLOADS

USUAL = [name for title, workloads in TABLES.items() for name in workloads if title != "For long"]
OF_ALL_BROKERS = {**REGIMES, **KINDS}  # what peers have clients for


def main() -> int:
    """One JSON line for each run on standard output, a table at the end of each group on standard error."""
    options = _options()
    arms = _arms(options)
    if arms is None:
        return 2
    print(json.dumps(machine(options.data)), flush=True)
    failed = False
    for title, workloads in TABLES.items():
        names = [name for name in workloads if name in options.workloads]
        if names:
            failed |= _run_table(title, names, arms, options)
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "workloads",
        nargs="*",
        choices=[[], *WORKLOADS],
        help="all but those for long, unless named; the regimes with --against or --peers",
    )
    parser.add_argument(
        "--servers", default="daphne,uvicorn", help="comma-separated (default: %(default)s; uvicorn with --peers)"
    )
    parser.add_argument(
        "--database", choices=["sqlite", "postgres"], default="sqlite", help="what the broker stores in (%(default)s)"
    )
    parser.add_argument(
        "--nodes", type=int, default=1, help="that share a PostgreSQL; those who consume are at the last (%(default)s)"
    )
    parser.add_argument(
        "--against", type=Path, metavar="PATH", help="another checkout with its own .venv, in turns with this one"
    )
    parser.add_argument(
        "--consoles", type=int, default=0, help="people who look at the queue, in turns with nobody who does (%(default)s)"
    )
    parser.add_argument(
        "--peers", nargs="?", const="", metavar="NAMES", help="other brokers that are there, in turns with this one"
    )
    parser.add_argument("--rounds", type=int, help="runs of each, of which medians are shown (1; 3 with --against or --peers)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (%(default)s)")
    parser.add_argument(
        "--minutes", type=float, help="of each measurement, instead of --seconds: for lasting, which tells them apart"
    )
    parser.add_argument(
        "--waiting", type=int, default=1_000_000, help="messages of a large backlog, records of a replay (%(default)s)"
    )
    parser.add_argument("--data", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--profile", type=Path, default=None, help="a folder for samples of the server, by py-spy")
    return _checked(parser, parser.parse_args())


def _checked(parser: argparse.ArgumentParser, options: argparse.Namespace) -> argparse.Namespace:
    """What was given, with what follows from it."""
    if options.nodes > 1 and options.database == "sqlite":
        parser.error("--nodes needs --database postgres")
    compared = options.against is not None or options.peers is not None or options.consoles > 0
    options.rounds = options.rounds or (3 if compared else 1)
    if options.minutes is not None:
        options.seconds = 60 * options.minutes
    options.workloads = options.workloads or list(REGIMES if compared else USUAL)
    if options.peers is not None:
        if options.servers == parser.get_default("servers"):
            options.servers = "uvicorn"
        if unknown := [name for name in options.workloads if name not in OF_ALL_BROKERS]:
            parser.error(f"--peers have no clients for {', '.join(unknown)}")
    if options.against is not None and not (options.against / ".venv" / "bin" / "python").exists():
        parser.error(f"--against {options.against}: no .venv/bin/python there")
    return options


def _arms(options: argparse.Namespace) -> list[Arm] | None:
    """The columns, in their order; None when a peer is named that does not exist."""
    arms = []
    database = SQLITE if options.database == "sqlite" else postgres(options.nodes)
    for kind in options.servers.split(","):
        arms.append(ours(kind, kind, database=database))
        if options.against is not None:
            tree = options.against.resolve()
            arms.append(ours(f"{kind}, {tree.name}", kind, tree=tree, base=kind, database=database))
        if options.consoles:
            name = f"{kind}, {options.consoles} consoles"
            arms.append(ours(name, kind, base=kind, database=database, consoles=options.consoles))
    return arms if options.peers is None else _with_peers(arms, options.peers)


def _with_peers(arms: list[Arm], named: str) -> list[Arm] | None:
    names = named.split(",") if named else list(PEERS)
    if unknown := [name for name in names if name not in PEERS]:
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(PEERS)}", file=sys.stderr)
        return None
    there = [name for name in names if PEERS[name].program() is not None]
    for name in names:
        if name not in there:
            print(f"left out, not installed: {name} ({PEERS[name].install})", file=sys.stderr)
    return [*arms, *(of_peer(PEERS[name], base=arms[0].name) for name in there)]


def _run_table(title: str, names: list[str], arms: list[Arm], options: argparse.Namespace) -> bool:
    """Measure and print one table; whether a run failed."""
    runs: dict[tuple[str, str], list[Figures]] = defaultdict(list)
    for workload in names:
        for number, arm in in_turns(arms, options.rounds):
            figures = arm.measure(workload, lambda name, running, arm=arm: _load(name, running, arm, options), options.data)  # type: ignore[misc]  # a default binds the loop's value
            runs[workload, arm.name].append(figures)
            print(json.dumps({"workload": workload, "server": arm.name, "round": number, **figures}), flush=True)
    about = {name: OF_ALL_BROKERS[name].about if name in OF_ALL_BROKERS else "" for name in names}
    print(table(title, about, arms, runs), file=sys.stderr, flush=True)
    return any("failed" in figures for some in runs.values() for figures in some)


def _load(workload: str, running: Running, arm: Arm, options: argparse.Namespace) -> Figures:
    profiler = _profile(running.pid, options, f"{workload}-{arm.name}")
    figures = load(workload, running, [str(options.seconds), str(options.waiting)])
    if profiler:
        profiler.wait()
    return figures


def _profile(pid: int, options: argparse.Namespace, name: str) -> subprocess.Popen[bytes] | None:
    """Sample who holds the interpreter lock in the server, threads told apart."""
    if options.profile is None:
        return None
    options.profile.mkdir(parents=True, exist_ok=True)
    seconds = str(round(options.seconds))
    how = ["--rate", "200", "--format", "raw", "--threads", "--gil"]
    command = [_sampler(), "record", "--pid", str(pid), "--duration", seconds, *how]
    return subprocess.Popen([*command, "--output", str(options.profile / f"{name}.txt")], stdout=subprocess.DEVNULL)


def _sampler() -> str:
    """Where py-spy is: beside this Python, whether or not its environment is activated, or on the PATH."""
    beside = Path(sys.executable).with_name("py-spy")
    found = str(beside) if beside.exists() else shutil.which("py-spy")
    if found is None:
        sys.exit("--profile needs py-spy: pip install '.[bench]'")
    return found


def machine(data: Path | None) -> dict[str, Any]:
    """What the figures were measured on: cores, Python, and how many syncs a second the disk takes."""
    with tempfile.NamedTemporaryFile(dir=data) as file:
        start, number = time.perf_counter(), 200
        for _ in range(number):
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
        syncs = round(number / (time.perf_counter() - start))
    return {
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "syncs_per_second": syncs,
    }


if __name__ == "__main__":
    sys.exit(main())
