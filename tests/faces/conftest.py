"""One real broker for all tests of the faces; each test has queues of its own."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Iterator
from functools import cache

import httpx
import pytest

from tests.clients import Rest
from tests.postgres import Servers
from tests.server import Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A broker on Uvicorn."""
    with Server(tmp_path_factory.mktemp("faces") / "data") as running:
        yield running.start()


@pytest.fixture(scope="session", params=["uvicorn", "daphne"])
def either(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A broker on each of the servers, for what they must do alike."""
    if request.param == "uvicorn":
        yield request.getfixturevalue("server")
        return
    with Server(tmp_path_factory.mktemp("faces") / "data", kind=request.param) as running:
        yield running.start()


@pytest.fixture(scope="session", params=["uvicorn", "daphne", "postgres"])
def anywhere(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    """A broker on each of the servers, and one that stores in PostgreSQL, for what they must mean alike."""
    shared = {"uvicorn": "server", "postgres": "node"}
    if request.param in shared:
        yield request.getfixturevalue(shared[request.param])
        return
    with Server(tmp_path_factory.mktemp("faces") / "data", kind=request.param) as running:
        yield running.start()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory, postgres_servers: Servers) -> Generator[Server]:
    """A broker on Uvicorn that stores in PostgreSQL."""
    with Server(tmp_path_factory.mktemp("faces") / "data", postgres=postgres_servers.get("wheel")) as running:
        yield running.start()


@pytest.fixture(scope="session")
def rest(server: Server) -> Iterator[Rest]:
    """The REST face, as the administrator."""
    with server.rest() as client:
        yield client


@pytest.fixture
def name() -> str:
    """A name nothing has yet."""
    return f"q-{secrets.token_hex(4)}"


@pytest.fixture
def queue(rest: Rest, name: str) -> str:
    """A queue of the test's own."""
    rest.declare(name)
    return name


@pytest.fixture
def browser(server: Server) -> Generator[httpx.Client]:
    """Somebody signed in: session cookie and CSRF token, no token."""
    with httpx.Client(base_url=server.url, cookies=signed_in(server.url, server.pid)) as client:
        client.headers["X-CSRFToken"] = client.cookies["brokerweb_csrf"]
        yield client


@cache  # a password is checked for longer than most tests take
def signed_in(url: str, pid: int) -> dict[str, str]:
    """The cookies of the administrator's browser at a server."""
    with httpx.Client(base_url=url) as client:
        form = {"username": "admin", "password": "password-of-the-real-server-tests"}
        client.get("/sign-in")
        form["csrfmiddlewaretoken"] = client.cookies["brokerweb_csrf"]
        client.post("/sign-in", data=form, headers={"Referer": url + "/sign-in"})
        assert "brokerweb_session" in client.cookies
        return dict(client.cookies)
