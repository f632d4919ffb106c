"""One broker for all commands that speak REST, and the command itself in this process, which is quicker than a process each."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from brokerweb.cli import client, main
from tests.clients import Rest
from tests.server import TOKEN, Server


@dataclass
class Ran:
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        assert self.status == 0, self.err
        return self.out.splitlines()


Command = Callable[..., Ran]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("cli") / "data") as server:
        yield server.start()


@pytest.fixture
def rest(server: Server) -> Rest:
    return server.rest()


@pytest.fixture
def command(server: Server, monkeypatch: pytest.MonkeyPatch) -> Command:
    """``command("queue", "list")``, with the broker in the environment; ``input`` is what comes on standard input."""
    monkeypatch.setenv("BROKERWEB_URL", server.url)
    monkeypatch.setenv("BROKERWEB_TOKEN", TOKEN)

    def run(*arguments: str, input: str | bytes | None = None) -> Ran:
        client._given.clear()
        common, rest = main._parted([*arguments])
        result = CliRunner().invoke(main.app, [*common, *rest], input=input, prog_name="brokerweb")
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Ran(result.exit_code, result.stdout, result.stderr)

    return run
