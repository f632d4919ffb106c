"""A real broker in a process of its own: started, waited for, killed, frozen, stopped. Used wherever a test needs one."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.clients import Rest, Socket
from tests.eventually import eventually

if TYPE_CHECKING:
    from tests.postgres import Postgres

ROOT = Path(__file__).resolve().parent.parent
TOKEN = "token-of-the-real-server-tests"
ABSENT = ROOT / "tests" / "absent"
START_SECONDS = 40  # a deadline, not an expectation: two seconds are usual


def free_port() -> int:
    """A loopback port nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def inherited() -> dict[str, str]:
    """This process's environment without the tests' own settings, and without options of whoever runs the tests."""
    # Compiled modules are kept, whatever the machine says: else each of a hundred starts compiles the whole tree again.
    left_out = ("DJANGO_", "BROKERWEB_", "DATABASE_URL", "REDIS_URL", "PF_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return kept | {"PYTHONPATH": python_path(*filter(None, [kept.get("PYTHONPATH")]))}


def python_path(*folders: Path | str) -> str:
    """Where a process of a test looks for modules first: what the broker's users do not have is missing there too."""
    return os.pathsep.join(map(str, (ABSENT, *folders)))


class Server:
    """``manage.py serve`` on one data directory; keeps its port, so that clients find it again after a restart.

    A directory that is not there yet is made as an earlier start left it; with ``empty`` the start is the first one.
    With ``postgres`` it has a database of its own there, made likewise; a second node is given the ``environment`` of the first.
    ``tree`` is another checkout, which is run by the Python of its own ``.venv``.
    """

    program: tuple[str, ...] = ("manage.py", "serve")  # as its Python runs it in the tree

    def __init__(
        self,
        data: Path,
        *,
        kind: str = "uvicorn",
        environment: Mapping[str, str] | None = None,
        empty: bool = False,
        tree: Path | None = None,
        postgres: Postgres | None = None,
    ) -> None:
        self.postgres = postgres
        self.data, self.kind, self.environment, self.empty = data, kind, dict(environment or {}), empty
        self.tree, self.python = tree or ROOT, str(tree / ".venv" / "bin" / "python") if tree else sys.executable
        self.port = free_port()
        self.log = data.with_name(data.name + ".log")
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self.process is not None, "not started"
        return self.process.pid

    def start(self, *arguments: str, ready: bool = True) -> Self:
        """Start the process, with more arguments of ``serve``, and wait until ``/readyz`` says 200 unless told otherwise."""
        if self.postgres is not None:
            if "DATABASE_URL" not in self.environment:
                name = self.postgres.new_database(template=None if self.empty else prepared_in(self.postgres))
                self.environment["DATABASE_URL"] = self.postgres.url(name)
        elif not self.empty and not self.data.exists():
            shutil.copytree(prepared(), self.data)
        variables = {
            "BROKERWEB_DATA": str(self.data),
            "BROKERWEB_BIND": f"127.0.0.1:{self.port}",
            "BROKERWEB_SERVER": self.kind,
            "BROKERWEB_ADMIN_TOKEN": TOKEN,
            "BROKERWEB_ADMIN_PASSWORD": "password-of-the-real-server-tests",
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [self.python, *self.program, *arguments],
                cwd=self.tree,
                env={**inherited(), **variables, **self.environment},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self, timeout: float = START_SECONDS) -> None:
        """Wait until the broker takes requests; fails at once, with its log, when the process has ended."""
        eventually(self._ready_or_ended, timeout, why=f"ready\n{self.log_tail()}")
        assert self.running, f"the server ended with {self.exit_status()}:\n{self.log_tail()}"

    def _ready_or_ended(self) -> bool:
        return not self.running or self.readiness() == 200

    def readiness(self) -> int:
        """The status of ``/readyz``, 0 when nobody answers."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as http:
            try:
                http.request("GET", "/readyz")
                return http.getresponse().status
            except (OSError, HTTPException):
                return 0

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def exit_status(self, timeout: float = START_SECONDS) -> int:
        """Wait for the process to end by itself; its status."""
        assert self.process is not None, "not started"
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.running:
            os.kill(self.pid, signal.SIGKILL)
            self.exit_status()

    def terminate(self, timeout: float = START_SECONDS) -> int:
        """SIGTERM; the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return self.exit_status(timeout)

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log_tail(self, lines: int = 40) -> str:
        """The end of what the server printed, over all starts."""
        if not self.log.exists():
            return "(no log)"
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def rest(self, timeout: float = 30) -> Rest:
        return Rest(self.url, TOKEN, timeout)

    def socket(self) -> Socket:
        return Socket.open(self.url.replace("http", "ws", 1) + "/ws", TOKEN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.running:
            self.thaw()
            self.kill()


def prepared() -> Path:
    """A data directory whose first start is over, and ended well: made once in this process, for every server to copy.

    It is made anew where somebody has set the machine's clock meanwhile: a broker would say that it is not what was expected.
    """
    if not _prepared or _was_set(_prepared[-1].wall):
        _prepared.append(Prepared(_wall(), str(_first_start())))
    return Path(_prepared[-1].place)


class Prepared(NamedTuple):
    """What a first start has made: a folder or the name of a database, and how the clocks of the machine stood to each other."""

    wall: float
    place: str


_prepared: list[Prepared] = []
_prepared_in: dict[Path, Prepared] = {}  # by the folder of a PostgreSQL server


def _wall() -> float:
    return time.time() - time.monotonic()


def _was_set(wall: float) -> bool:
    return abs(_wall() - wall) > 1


def _first_start() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="brokerweb-prepared-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with Server(folder / "data", empty=True) as server:
        assert server.start().terminate() == 0, server.log_tail()
    for reserve in server.data.glob("*-reserve"):  # nothing but room on the disk; the next start takes its own
        reserve.unlink()
    return server.data


def prepared_in(postgres: Postgres) -> str:
    """The same as a database of a PostgreSQL server, for every broker there to copy."""
    there = _prepared_in.get(postgres.folder)
    if there is None or _was_set(there.wall):
        name = postgres.new_database()
        with tempfile.TemporaryDirectory(prefix="brokerweb-prepared-") as folder:
            environment = {"DATABASE_URL": postgres.url(name)}
            with Server(Path(folder) / "data", postgres=postgres, environment=environment) as server:
                assert server.start().terminate() == 0, server.log_tail()
        there = _prepared_in[postgres.folder] = Prepared(_wall(), name)
    return there.place
