"""One broker on each server for all abuse, an honest client that must not notice, and an eye on memory."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.abuse.wire import frame, upgraded
from tests.clients import Rest
from tests.eventually import eventually
from tests.server import TOKEN, Server

KINDS = ("uvicorn", "daphne")
SLACK = 100 * 1024 * 1024  # bytes that it may keep once it has given back what lies free


def resident(server: Server) -> int:
    """The server's resident memory, in bytes."""
    pages = Path(f"/proc/{server.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


@pytest.fixture(scope="session")
def brokers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Server]]:
    """Both, started side by side."""
    with (
        Server(tmp_path_factory.mktemp("abuse") / "uvicorn", kind="uvicorn") as one,
        Server(tmp_path_factory.mktemp("abuse") / "daphne", kind="daphne") as other,
    ):
        for server in (one, other):
            server.start(ready=False)
        before = {}
        for server in (one, other):
            server.wait_ready()
            still_works(server)
            before[server.kind] = resident(server)
        yield {"uvicorn": one, "daphne": other}
        for server in (one, other):
            eventually(lambda: comes_back(server, before[server.kind] + SLACK), 60, why=f"memory: {before}")  # noqa: B023 (called at once)


def comes_back(server: Server, limit: int) -> bool:
    """Whether its memory is below the limit; if not, it is given what makes Python's collector look at all it has.

    What abuse leaves in circles is let go only when many objects have come since, which is not before somebody honest does much.
    """
    if resident(server) >= limit:
        with server.socket() as socket:
            for _ in range(900):
                socket.consume("fresh")
    return resident(server) < limit


@pytest.fixture(scope="session")
def operators(brokers: dict[str, Server]) -> Iterator[dict[str, Rest]]:
    """The administrator's REST client of each."""
    clients = {kind: server.rest() for kind, server in brokers.items()}
    yield clients
    for client in clients.values():
        client.close()


@pytest.fixture
def operator(broker: Server, operators: dict[str, Rest]) -> Rest:
    """The administrator, with a queue named ``honest``."""
    operators[broker.kind].declare("honest")
    return operators[broker.kind]


@pytest.fixture(params=KINDS)
def broker(brokers: dict[str, Server], request: pytest.FixtureRequest) -> Iterator[Server]:
    """One of them; a fresh honest client still works after whatever the test did."""
    server = brokers[request.param]
    yield server
    still_works(server)


def still_works(server: Server) -> None:
    """A client that has done nothing yet publishes and consumes, over REST and over a socket of its own."""
    assert server.running, server.log_tail()
    word = secrets.token_hex(8)
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as http:
        _call(http, "PUT", "", {})
        _call(http, "POST", "/messages", {"messages": [{"body": word}]})
        assert word in str(_call(http, "POST", "/receive", {"ack": "none"}))
    with upgraded(server, timeout=10) as socket:
        socket.sendall(frame(b'{"op":"consume","id":1,"queue":"fresh","ack":"none"}'))
        socket.sendall(frame(b'{"op":"publish","to":"queue:fresh","messages":[{"body":"over %s"}]}' % word.encode()))
        received = b""
        while b"over " + word.encode() not in received:
            received += socket.recv(65_536) or pytest.fail(f"closed: {received!r}")


def _call(http: HTTPConnection, method: str, path: str, body: Any) -> Any:
    http.request(method, f"/api/v1/queues/fresh{path}", json.dumps(body), {"Authorization": f"Bearer {TOKEN}"})
    with http.getresponse() as response:
        assert response.status in (200, 201), response.status
        return json.load(response)
