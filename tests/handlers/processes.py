"""``manage.py consume`` in a process of its own, on a broker's database, and what its handlers noted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.eventually import eventually
from tests.server import ROOT, START_SECONDS, Server, inherited

SETTINGS = "tests.handlers.shop_settings"


class Notes:
    """What handlers noted in a folder, and what they wait for there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, what: str) -> list[Any]:
        path = self.folder / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [about for kind, about, _ in map(json.loads, lines) if kind == what]

    def let_go(self, name: object) -> None:
        (self.folder / f"go-{name}").touch()


def shop(data: Path, postgres: Any = None, kind: str = "uvicorn") -> Server:
    """A broker whose project has the handlers."""
    return Server(data, kind=kind, postgres=postgres, environment={"DJANGO_SETTINGS_MODULE": SETTINGS})


class Consume:
    """One process of it. Handlers note in ``folder``."""

    def __init__(self, server: Server, folder: Path, *arguments: str, database: str | None = None) -> None:
        self.server, self.folder, self.arguments = server, folder, arguments
        self.log = folder / f"consume-{id(self)}.log"
        self.process: subprocess.Popen[bytes]

    def start(self) -> Self:
        environment = {
            **inherited(),
            **self.server.environment,
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "BROKERWEB_DATA": str(self.server.data),
            "HANDLERS_FOLDER": str(self.folder),
            "PYTHONUNBUFFERED": "1",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "consume", *self.arguments], cwd=ROOT, env=environment, stdout=log, stderr=log
            )
        eventually(lambda: "works on" in self.said or self.process.poll() is not None, START_SECONDS, why="handlers")
        return self

    @property
    def said(self) -> str:
        return self.log.read_text()

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def stop(self, timeout: float = START_SECONDS) -> int:
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(START_SECONDS)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
