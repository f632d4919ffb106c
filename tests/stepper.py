"""A real broker whose wall clock is set while it runs: what NTP, a resumed machine or an operator does.

``python -m tests.stepper`` is ``manage.py serve`` with a wall that is ahead by as many seconds as a file says.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx

from tests.clients import Json
from tests.server import ROOT, Server

VARIABLE = "WALL_OF_THE_TESTS"


class SteppedServer(Server):
    """``set_wall`` says how far the server's wall is ahead of the machine's, in seconds, from now on and at the next start."""

    program = ("-m", "tests.stepper")

    def __init__(self, data: Path, *, kind: str = "uvicorn", environment: Mapping[str, str] | None = None) -> None:
        self.file, self.ahead = data.with_name(data.name + ".wall"), 0.0
        super().__init__(data, kind=kind, environment={**(environment or {}), VARIABLE: str(self.file)})

    def set_wall(self, ahead: float) -> None:
        self.ahead = ahead
        new = self.file.with_suffix(".new")
        new.write_text(str(ahead))
        new.rename(self.file)

    def wall(self, later: float = 0) -> str:
        """What the server's wall shows, or will show."""
        return (datetime.now(UTC) + timedelta(seconds=self.ahead + later)).isoformat()

    def off(self, instant: str) -> float:
        """By how many seconds an instant differs from what the server's wall shows."""
        return (datetime.fromisoformat(instant) - datetime.now(UTC)).total_seconds() - self.ahead

    def clock(self) -> str:
        """What ``/readyz`` says of it."""
        answer: Json = httpx.get(f"{self.url}/readyz").json()
        assert answer["status"] == ("ok" if answer["checks"]["clock"] == "ok" else "degraded")
        return str(answer["checks"]["clock"])


def _serve(file: Path) -> None:
    real, real_ns = time.time, time.time_ns

    def ahead() -> float:
        return float(file.read_text()) if file.exists() else 0.0

    time.time = lambda: real() + ahead()
    time.time_ns = lambda: real_ns() + int(ahead() * 1_000_000_000)
    sys.argv = ["manage.py", "serve"]
    runpy.run_path(str(ROOT / "manage.py"), run_name="__main__")


if __name__ == "__main__":
    _serve(Path(os.environ[VARIABLE]))
