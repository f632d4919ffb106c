"""No file descriptor is left: it is said once, and is over when some are free."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import resource
import socket
import time
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from brokerweb.servers.descriptors import LATE, Descriptors
from tests.eventually import eventually
from tests.server import TOKEN, Server

SAID, OVER = "no file descriptor is free", "file descriptors are free again"
CALLS = [("GET", "/sign-in"), ("GET", "/static/console/console.css"), ("PUT", "/api/v1/queues/orders"), ("GET", "/api/v1/queues")]


def opened(server: Server) -> int:
    return len(os.listdir(f"/proc/{server.pid}/fd"))


@pytest.mark.parametrize("kind", ["daphne", "uvicorn"])
def test_exhausted_descriptors_are_said_once_and_the_server_goes_on_when_some_are_free(tmp_path: Path, kind: str):
    with Server(tmp_path / "data", kind=kind) as server, ExitStack() as held:
        server.start()
        clients = [held.enter_context(httpx.Client(base_url=server.url, timeout=30)) for _ in range(4)]
        for client in clients:
            assert client.get("/healthz").status_code == 200
        limit = opened(server) + 10
        _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (limit, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
        with ExitStack() as crowd:
            for _ in range(60):
                crowd.enter_context(socket.create_connection(("127.0.0.1", server.port), 30))
            eventually(lambda: SAID in server.log_tail(10_000), 30, why="it is said")
            for _ in range(10):
                for client, (method, path) in zip(clients, CALLS, strict=True):
                    try:
                        client.request(method, path, headers={"Authorization": f"Bearer {TOKEN}"})
                    except httpx.TransportError:  # the connection was cut, and there is no other
                        pass
        eventually(lambda: OVER in server.log_tail(10_000), 30, why="it is over")
        log = server.log_tail(10_000)
        assert (log.count(SAID), log.count(OVER)) == (1, 1)
        assert "Traceback" not in log
        assert f"at most {limit}" in log

        resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
        eventually(lambda: server.readiness() == 200, 30, why="duties that had failed go on")
        with server.rest() as rest:
            rest.declare("answers")
            assert rest.publish("answers", {"body": 1})
        assert httpx.get(f"{server.url}/sign-in", timeout=30).status_code == 200
        assert server.terminate() == 0


def record_of(error: Exception) -> logging.LogRecord:
    return logging.LogRecord("brokerweb.core.duty", logging.ERROR, "", 0, "duty jobs failed", (), (type(error), error, None))


def test_a_database_that_cannot_be_opened_tells_of_it_only_while_descriptors_are_short(monkeypatch: pytest.MonkeyPatch):
    error = OSError("The store did not take it")
    error.__cause__ = ValueError("unable to open database file")
    assert Descriptors().filter(record_of(error))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8, 8))
    assert not Descriptors().filter(record_of(error))
    assert Descriptors().filter(record_of(ValueError("another fault")))


def test_what_failed_for_want_of_one_may_be_told_when_some_are_free_again(caplog: pytest.LogCaptureFixture):
    shortage, late = Descriptors(), OSError("unable to open database file")
    assert not shortage.filter(record_of(OSError(errno.EMFILE, "Too many open files")))
    asyncio.run(shortage._look(0))
    assert OVER in caplog.text
    assert not shortage.filter(record_of(late))
    assert caplog.text.count(SAID) == 1
    shortage._over_at = time.monotonic() - LATE
    assert shortage.filter(record_of(late))
