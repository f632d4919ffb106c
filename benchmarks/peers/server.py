"""A peer's server: a process of ours on loopback, under an ordinary user, in a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.eventually import eventually

START_SECONDS, STOP_SECONDS = 60, 30  # deadlines
ORDINARY = "nobody"  # whom a server runs as when we are root


@dataclass(frozen=True)
class Running:
    """Where a broker listens, the process that is it, and what it prints; and the same of its other nodes."""

    url: str
    pid: int
    log: Path
    others: Sequence[Running] = ()
    database: int | None = None  # the process of its database, where that has one

    @property
    def urls(self) -> list[str]:
        return [node.url for node in (self, *self.others)]

    @property
    def pids(self) -> list[int]:
        return [node.pid for node in (self, *self.others)]

    def log_tail(self, lines: int = 5) -> str:
        """The end of what it printed."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@dataclass(frozen=True)
class Peer:
    """One way to run a peer. ``program`` finds its server or says None; ``run`` starts it in a folder."""

    name: str
    about: str
    program: Callable[[], str | None]
    install: str
    run: Callable[[str, Path], AbstractContextManager[Running]]


def beside_or_on_path(name: str) -> str | None:
    """A program that a wheel put beside this Python, or that the system has."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name)


@contextmanager
def spawned(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is ended by its id; what it prints goes to a file of the folder."""
    user = ORDINARY if os.geteuid() == 0 else None
    if user is not None:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user)
    known = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(folder), "LANG": "C.UTF-8"}
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**known, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            extra_groups=[] if user else None,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_port(process: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    """Wait until somebody listens; AssertionError with the end of the server's log when it does not come to that."""

    def answers() -> bool:
        assert process.poll() is None, f"ended with {process.returncode}"
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    try:
        eventually(answers, START_SECONDS)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{(folder / 'log').read_text(errors='replace')[-2000:]}") from None
