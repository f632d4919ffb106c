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
from pathlib import Path
from typing import Any

from benchmarks.workloads import WORKLOADS
from tests.server import ROOT, TOKEN, Server

# What each figure must reach: (name of the figure, whether more is better, floor on Uvicorn, floor on Daphne).
FLOORS: dict[str, list[tuple[str, bool, float, float]]] = {
    "batches": [("rate", True, 40_000, 15_000)],
    "singles": [("rate", True, 8_000, 4_000)],
    "rest": [("rate", True, 6_000, 2_000)],
    "latency": [("p50_ms", False, 2, 2), ("p99_ms", False, 8, 8)],
    "backlog": [("ratio", True, 0.8, 0.8), ("memory_idle_mib", False, 120, 120), ("memory_grown_mib", False, 50, 50)],
    "append": [("rate", True, 50_000, 25_000)],
    "stored": [("rate", True, 150_000, 80_000)],
    "fanout": [("rate", True, 370_000, 150_000)],
    "topic": [("rate", True, 3_000, 3_000)],
    "live": [("p50_ms", False, 2, 2), ("p99_ms", False, 8, 8)],
    "shared": [("rate", True, 20_000, 20_000)],
    "full": [("ratio", True, 0.8, 0.8)],
}


def main() -> int:
    """Print one JSON line for each workload and server; the status says whether every floor was reached."""
    options = _options()
    print(json.dumps(machine(options.data)), flush=True)
    reached = True
    for kind in options.servers.split(","):
        for workload in options.workloads or WORKLOADS:
            figures = run(workload, kind, options)
            reached &= not figures["missed"]
            print(json.dumps({"workload": workload, "server": kind, **figures}), flush=True)
    return 0 if reached or not options.strict else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("workloads", nargs="*", choices=[[], *WORKLOADS], help="all, unless named")
    parser.add_argument("--servers", default="uvicorn,daphne", help="comma-separated (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=10, help="of each measurement (%(default)s)")
    parser.add_argument(
        "--waiting", type=int, default=1_000_000, help="messages of a large backlog, records of a replay (%(default)s)"
    )
    parser.add_argument("--data", type=Path, default=None, help="a folder on the disk to measure")
    parser.add_argument("--profile", type=Path, default=None, help="a folder for samples of the server, by py-spy")
    parser.add_argument("--strict", action="store_true", help="status 1 when a floor is missed")
    return parser.parse_args()


def run(workload: str, kind: str, options: argparse.Namespace) -> dict[str, Any]:
    """One workload on one fresh broker."""
    folder = Path(tempfile.mkdtemp(prefix="brokerweb-bench-", dir=options.data))
    try:
        with Server(folder / "data", kind=kind) as server:
            server.start()
            profiler = _profile(server.pid, options, f"{workload}-{kind}")
            figures = _load(workload, server, options)
            if profiler:
                profiler.wait()
            server.terminate()
        return _judged(workload, kind, figures)
    finally:
        shutil.rmtree(folder)


def _load(workload: str, server: Server, options: argparse.Namespace) -> dict[str, Any]:
    amounts = [str(options.seconds), str(options.waiting)]
    command = [sys.executable, "-m", "benchmarks.load", workload, server.url, TOKEN, str(server.pid), *amounts]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"failed": last[:300], "log": server.log_tail(5)}
    return dict(json.loads(done.stdout))


def _judged(workload: str, kind: str, figures: dict[str, Any]) -> dict[str, Any]:
    """The figures, with the floors they missed."""
    if "memory_waiting_mib" in figures:
        figures["memory_grown_mib"] = round(figures["memory_waiting_mib"] - figures["memory_idle_mib"], 1)
    missed = []
    for name, more, *floors in FLOORS.get(workload, []):
        floor, figure = floors[kind == "daphne"], figures.get(name)
        if figure is None or (figure < floor if more else figure > floor):
            missed.append(f"{name} {figure}, {'at least' if more else 'at most'} {floor}")
    return {**figures, "missed": missed}


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
