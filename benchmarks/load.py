"""The load generator, a process of its own: python -m benchmarks.load WORKLOAD URLS TOKEN PIDS SECONDS WAITING [DATABASE]."""

from __future__ import annotations

import asyncio
import gc
import json
import sys

import uvloop

from benchmarks.target import Figures, Target
from benchmarks.workloads import WORKLOADS


def main(workload: str, urls: str, token: str, pids: str, *amounts: str) -> None:
    """Run one workload and print its figures as JSON. Of several nodes there are several URLs and processes."""
    seconds, waiting, *database = amounts
    processes = [int(pid) for pid in pids.split(",")]
    target = Target(urls.split(","), token, processes, float(seconds), int(waiting), *map(int, database))
    gc.disable()  # a pause of the generator would count as the broker's
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_run(workload, target))))


async def _run(workload: str, target: Target) -> Figures:
    return await WORKLOADS[workload](target)


if __name__ == "__main__":
    main(*sys.argv[1:])
