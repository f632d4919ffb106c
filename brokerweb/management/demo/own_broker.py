"""A broker of the demo's own: a server on a data directory that is made for it and goes with it."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from time import monotonic, sleep

import brokerweb
from brokerweb import conf
from brokerweb.management.demo.client import Client

STARTING, STOPPING = 60, 20  # seconds
ELSEWHERE = ("DATABASE_URL", "REDIS_URL")  # what is there is somebody's
ROOT = Path(brokerweb.__file__).resolve().parent.parent


class NotStarted(Exception):
    """The server did not come up; it has said why."""


@contextmanager
def own_broker(bind: str, server: str) -> Iterator[Client]:
    """An administrator's client of a server that runs within this. Raises NotStarted."""
    host, port = conf.split_bind(bind)
    token = f"demo-{secrets.token_urlsafe(24)}"
    with tempfile.TemporaryDirectory(prefix="brokerweb-demo-") as data:
        options = {"BROKERWEB_DATA": data, "BROKERWEB_BIND": bind, "BROKERWEB_SERVER": server, "BROKERWEB_ADMIN_TOKEN": token}
        others = {name: value for name, value in os.environ.items() if not name.startswith(("BROKERWEB_", *ELSEWHERE))}
        process = subprocess.Popen(
            [sys.executable, "-m", "django", "serve"],
            cwd=ROOT,
            env={**others, "DJANGO_SETTINGS_MODULE": "brokerweb.settings", **options},
            start_new_session=True,  # Ctrl-C is for the demo, which ends its clients first
        )
        try:
            _wait(process, host, port)
            yield Client(f"http://{host}:{port}", token, "demo")
        finally:
            _end(process)


def free(bind: str) -> str:
    """The address itself, or another port of it where somebody listens already."""
    host, port = conf.split_bind(bind)
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            probe.bind((host, 0))
        return f"{host}:{probe.getsockname()[1]}"


def _wait(process: subprocess.Popen[bytes], host: str, port: int) -> None:
    until = monotonic() + STARTING
    while not _is_ready(host, port):
        if process.poll() is not None or monotonic() > until:
            raise NotStarted("the demo's broker did not start")
        sleep(0.1)


def _is_ready(host: str, port: int) -> bool:
    http = HTTPConnection(host, port, timeout=5)
    try:
        http.request("GET", "/readyz")
        return http.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        http.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOPPING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
