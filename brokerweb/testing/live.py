"""A server of its own on a free port, whose data go with it: for tests of programs that speak REST or WebSocket."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

STARTING, STOPPING = 60, 20  # seconds
LOOK = 0.05  # seconds between two looks whether it is there
ELSEWHERE = ("BROKERWEB_", "DJANGO_", "DATABASE_URL", "REDIS_URL")  # what these name is the caller's own


class LiveBroker:
    """A broker in a process of its own, within ``with``: standing alone, on SQLite, whatever project the test is of.

    ``options`` are those of ``docs/settings.md`` by their variables, such as ``{"BROKERWEB_SERVER": "uvicorn"}``.
    """

    def __init__(self, options: Mapping[str, str] | None = None) -> None:
        self.token = f"live-{secrets.token_urlsafe(24)}"
        self.url = ""
        self._options = dict(options or {})
        self._folder = tempfile.TemporaryDirectory(prefix="brokerweb-live-")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def websocket_url(self) -> str:
        """Where the WebSocket is."""
        return f"{self.url.replace('http', 'ws', 1)}/ws"

    @property
    def headers(self) -> dict[str, str]:
        """What a request, or a handshake, needs of them."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def environment(self) -> dict[str, str]:
        """What tells a program, or the command ``brokerweb``, where the broker is."""
        return {"BROKERWEB_URL": self.url, "BROKERWEB_TOKEN": self.token}

    @property
    def log(self) -> str:
        """What the server has printed."""
        return self._log.read_text(errors="replace")

    @property
    def _log(self) -> Path:
        return Path(self._folder.name) / "log"

    @property
    def _data(self) -> Path:
        return Path(self._folder.name) / "data"

    def __enter__(self) -> Self:
        """Start it and wait until it takes requests. Raises RuntimeError, with what it printed, where it does not."""
        others = {name: value for name, value in os.environ.items() if not name.startswith(ELSEWHERE)}
        own = {"BROKERWEB_DATA": str(self._data), "BROKERWEB_BIND": "127.0.0.1:0", "BROKERWEB_ADMIN_TOKEN": self.token}
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "brokerweb", "serve"],
                env={**others, **own, **self._options},
                cwd=self._folder.name,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the tests, which end it
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOPPING)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._folder.cleanup()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        until = monotonic() + STARTING
        while not self._ready():
            if process.poll() is not None or monotonic() > until:
                raise RuntimeError(f"the broker did not start:\n{self.log}")
            sleep(LOOK)

    def _ready(self) -> bool:
        """Whether it takes requests. It notes where in its lock, which the kernel's choice of a port goes by."""
        try:
            self.url = (self._data / "lock").read_text().split("\n")[1]
        except (OSError, IndexError):
            return False
        http = HTTPConnection(self.url.removeprefix("http://"), timeout=5)
        try:
            http.request("GET", "/readyz")
            return http.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            http.close()
