"""``serve --workers N``: several processes on one port, which live and end together."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.postgres import Servers
from tests.server import Server


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request: pytest.FixtureRequest, postgres_servers: Servers, tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data", kind=request.param, postgres=postgres_servers.get("wheel")) as server:
        yield server.start("--workers", "2")


def workers(server: Server, but: int = 0) -> set[int]:
    """Both, once they are there."""

    def both() -> set[int]:
        found = set(map(int, Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split())) - {but}
        return found if len(found) == 2 else set()

    return eventually(both, 30)


def is_there(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text()


def test_workers_serve_beside_each_other_and_a_dead_one_is_replaced(server: Server):
    before = workers(server)
    with server.rest() as rest:
        rest.declare("orders")
        rest.publish("orders", {"body": 1})
    dead = min(before)
    os.kill(dead, signal.SIGKILL)
    after = workers(server, but=dead)
    assert len(after & before) == 1
    assert "ended with signal 9" in server.log_tail()
    with server.rest() as rest:
        eventually(lambda: after <= {node["process"] for node in rest.call("GET", "/nodes")["items"]}, why="a node each")
        assert [message["body"] for message in rest.receive("orders", wait=5)] == [1]
    assert server.terminate() == 0
    assert not any(is_there(pid) for pid in after)


def test_workers_end_when_their_parent_is_killed(server: Server):
    before = workers(server)
    server.kill()
    eventually(lambda: not any(is_there(pid) for pid in before))
