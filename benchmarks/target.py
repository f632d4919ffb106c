"""What every workload is given, and how a steady rate is measured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.process import Stopwatch
from benchmarks.roles import Trouble

Figures = dict[str, Any]
WARM_UP = 0.2  # of the time, before the measurement


@dataclass(frozen=True)
class Target:
    """The broker under load, and how long and how much to load it. Those who consume are at the last of its nodes."""

    urls: Sequence[str]  # of its nodes
    token: str
    pids: Sequence[int]
    seconds: float
    waiting: int  # messages of the large backlog
    database: int | None = None  # the process of its database, where that has one

    def watch(self) -> Stopwatch:
        return Stopwatch(self.pids, self.database)

    @property
    def url(self) -> str:
        """The node for those who publish, and for all else."""
        return self.urls[0]

    @property
    def consumers_url(self) -> str:
        return self.urls[-1]

    @property
    def pid(self) -> int:
        return self.pids[0]

    def declare(self, queue: str) -> None:
        """Create a queue with its default settings."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        asked = Request(f"{self.url}/api/v1/queues/{queue}", b"{}", headers, method="PUT")
        urlopen(asked, timeout=30).close()


async def steady(target: Target, count: Callable[[], int], broken: Callable[[], Any], *, unit: str = "messages/s") -> Figures:
    """The rate of ``count`` after a warm-up."""
    await asyncio.sleep(target.seconds * WARM_UP)
    watch, before = target.watch(), count()
    await asyncio.sleep(target.seconds)
    done, shares = count() - before, watch.shares()
    if trouble := broken():
        raise Trouble(trouble)
    rate = done / shares["seconds"]
    per_core = round(rate / max(0.01, shares["server_cores"]))
    return {"rate": round(rate), "unit": unit, "rate_per_server_core": per_core, **shares}
