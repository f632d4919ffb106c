"""PgBouncer in transaction mode: each transaction of a client may be on another of the server's few connections."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.eventually import eventually
from tests.postgres import Postgres, unprivileged

PORT = 6432  # of a socket in a folder of its own
SETTINGS = """
[databases]
* = host={server} user=tests
[pgbouncer]
unix_socket_dir = {folder}
listen_port = {port}
auth_type = any
pool_mode = transaction
default_pool_size = 2
server_idle_timeout = 1
ignore_startup_parameters = extra_float_digits
"""


def program() -> str:
    """Skips with what to install where there is none (in CI: fails)."""
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    return found or pytest.skip("no PgBouncer: apt-get install pgbouncer")


@contextlib.contextmanager
def before(server: Postgres) -> Iterator[Path]:
    """A PgBouncer in front of a server; the folder of its socket, which clients connect to as to the server's."""
    found = program()
    with tempfile.TemporaryDirectory(prefix="brokerweb-pgb-") as name:
        folder, who = Path(name), unprivileged()
        (folder / "settings.ini").write_text(SETTINGS.format(server=server.folder, folder=folder, port=PORT))
        if who:
            os.chown(folder, who["user"], who["group"])
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([found, str(folder / "settings.ini")], cwd=folder, stdout=log, stderr=log, **who)
        dsn = make_conninfo(host=name, port=PORT, user="tests", dbname="postgres")
        try:
            eventually(lambda: _answers(dsn, process, folder / "log"), why="a PgBouncer that answers")
            yield folder
        finally:
            process.kill()
            process.wait(20)


def _answers(dsn: str, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text()
    with contextlib.suppress(psycopg.OperationalError), psycopg.connect(dsn) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)
    return False
