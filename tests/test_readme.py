"""The README's first message, as it is printed there, against a real broker."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import pytest

from tests.console.browser import chromium
from tests.eventually import eventually
from tests.postgres import Servers
from tests.server import ROOT, TOKEN, Server, inherited

BODY = {"order": 1001}


def shown(language: str, containing: str, server: Server) -> str:
    """The README's block of code, with this server's address in place of the usual one."""
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if containing in block]
    return block.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("readme") / "data", kind="daphne") as server:
        yield server.start()


@pytest.fixture
def server(started: Server) -> Server:
    """A broker to which the README's ``curl`` lines have been said, and nothing before."""
    with started.rest() as rest:
        rest.http.delete("/queues/orders")
    lines = shown("sh", "curl", started).replace("export BROKERWEB_TOKEN=bw_…", f"export BROKERWEB_TOKEN={TOKEN}")
    done = subprocess.run(["sh", "-euc", lines], capture_output=True, text=True, env=inherited(), timeout=60)
    assert re.search(r'"results":\[{"id":"\d+","duplicate":false}\]', done.stdout), done.stdout + done.stderr
    return started


def acknowledged(server: Server) -> bool:
    with server.rest() as rest:
        return not any(rest.queue("orders")["counts"].values())


def test_the_python_program_prints_the_message_and_acknowledges_it(server: Server, tmp_path: Path):
    program = tmp_path / "first_message.py"
    program.write_text(shown("python", "consume", server))
    with (tmp_path / "output").open("wb") as output:
        running = subprocess.Popen([sys.executable, "-u", program], stdout=output, env={**os.environ, "BROKERWEB_TOKEN": TOKEN})
    try:
        eventually(lambda: acknowledged(server))
    finally:
        running.kill()
        running.wait()
    assert (tmp_path / "output").read_text().strip() == str(BODY)


def test_the_javascript_program_prints_the_message_and_acknowledges_it(server: Server):
    printed: list[object] = []
    with chromium() as browser:
        page = browser.new_page()
        page.expose_function("told", lambda what: printed.append(what))
        page.goto(f"{server.url}/sign-in")
        page.on("dialog", lambda dialog: dialog.accept(TOKEN))
        page.evaluate("() => { console.log = told }")
        page.evaluate(f"() => {{ {shown('js', 'consume', server)} }}")
        for _ in range(200):
            if printed and acknowledged(server):
                break
            page.wait_for_timeout(50)
        assert acknowledged(server)
    assert printed == [BODY]


@pytest.mark.parametrize(
    ("queue", "token", "says"), [("ordres", TOKEN, "There is no queue ordres."), ("orders", "wrong" * 6, "4001|token is unknown")]
)
def test_the_python_program_ends_with_the_reason(server: Server, tmp_path: Path, queue: str, token: str, says: str):
    program = tmp_path / "first_message.py"
    program.write_text(shown("python", "consume", server).replace('"orders"', f'"{queue}"'))
    done = subprocess.run(
        [sys.executable, program],
        capture_output=True,
        text=True,
        env={**os.environ, "BROKERWEB_TOKEN": token},
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert re.search(says, done.stderr)


@pytest.mark.parametrize(
    ("queue", "token", "says"), [("ordres", TOKEN, "There is no queue ordres."), ("orders", "wrong" * 6, "4001")]
)
def test_the_javascript_program_says_what_is_wrong(server: Server, queue: str, token: str, says: str):
    printed: list[str] = []
    with chromium() as browser:
        page = browser.new_page()
        page.on("console", lambda message: printed.append(message.text))
        page.on("dialog", lambda dialog: dialog.accept(token))
        page.goto(f"{server.url}/sign-in")
        page.evaluate(f"() => {{ {shown('js', 'consume', server).replace('orders', queue)} }}")
        for _ in range(200):
            if any(says in text for text in printed):
                break
            page.wait_for_timeout(50)
    assert any(says in text for text in printed), printed


def test_more_than_one_node_is_started_as_it_is_printed(postgres_servers: Servers, tmp_path: Path):
    store = postgres_servers.get("wheel")

    class Printed(Server):
        def start(self, *arguments: str, ready: bool = True) -> Self:
            places = {
                "postgresql://broker:secret@db.example:5432/broker": f"'{store.url(store.new_database())}'",
                "0.0.0.0:8000": f"127.0.0.1:{self.port}",
                "brokerweb serve": f"exec {sys.executable} -m brokerweb serve",
            }
            lines = shown("sh", "--workers", self)
            for printed, here in places.items():
                assert printed in lines
                lines = lines.replace(printed, here)
            with self.log.open("ab") as log:
                self.process = subprocess.Popen(["sh", "-euc", lines], cwd=ROOT, env=inherited(), stdout=log, stderr=log)
            self.wait_ready()
            return self

    with Printed(tmp_path / "data") as node:  # without a Redis at that address: that is no reason not to serve
        node.start()
        assert re.search(r"https://broker\.example/sign-in\?code=", node.log.read_text())
        assert node.terminate() == 0
