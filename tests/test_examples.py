"""The example programs against a real broker: what they handle is gone, what they cannot is told, and they stop cleanly."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import Rest
from tests.console.browser import chromium
from tests.eventually import eventually
from tests.server import ROOT, TOKEN, Server

PROGRAMS = {"websocket_worker.py": "ws://127.0.0.1:{port}/ws", "rest_worker.py": "http://127.0.0.1:{port}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("examples") / "data") as server:
        yield server.start()


@pytest.fixture
def rest(server: Server) -> Iterator[Rest]:
    """With an empty queue named ``orders``, whose failed messages wait."""
    with server.rest() as rest:
        rest.declare("orders", backoff={"initial": 600, "jitter": 0}, lease=2)
        yield rest
        rest.call("DELETE", "/queues/orders")


def counts(rest: Rest) -> dict[str, Any]:
    return {state: n for state, n in rest.queue("orders")["counts"].items() if n}


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_worker_handles_reports_reconnects_and_stops(server: Server, rest: Rest, tmp_path: Path, program: str) -> None:
    rest.publish("orders", {"body": {"order": 1}}, {"body": "bad"})
    environment = {**os.environ, "TOKEN": TOKEN, "URL": PROGRAMS[program].format(port=server.port)}
    with (tmp_path / "output").open("wb") as output:
        worker = subprocess.Popen([sys.executable, ROOT / "examples" / program], stdout=output, env=environment)
    try:
        eventually(lambda: counts(rest) == {"scheduled": 1}, 20, why="one is done and one has failed")
        (failed,) = rest.browse("orders")
        assert (failed["failures"], failed["last_error"]) == (1, "ValueError('bad input')")
        server.terminate()
        server.start()
        rest.publish("orders", {"body": {"order": 2}})
        eventually(lambda: counts(rest) == {"scheduled": 1}, 40, why="it came back")
        worker.send_signal(signal.SIGTERM)
        if program == "rest_worker.py":
            rest.publish("orders", {"body": {"order": 3}})  # ends its long poll; it gives the message back
        assert worker.wait(20) == 0
    finally:
        worker.kill()
        worker.wait()
    assert (tmp_path / "output").read_text().splitlines() == ["{'order': 1}", "{'order': 2}"]
    eventually(lambda: all(m["failures"] == (m["body"] == "bad") for m in rest.browse("orders")), why="nothing is lost")


SHAPES = {
    "fan_out.py": ["20 orders: 15 billed, 10 through customs, 20 logged"],
    "pipeline.py": ["12 orders, 12 of them different", "468 in all"],
    "request_reply.py": [" ".join(str(n * n) for n in range(10))],
}


@pytest.mark.parametrize("program", SHAPES)
def test_a_shape_of_program_does_what_it_says(server: Server, program: str) -> None:
    environment = {**os.environ, "TOKEN": TOKEN, "URL": server.url}
    done = subprocess.run(
        [sys.executable, ROOT / "examples" / program], env=environment, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout.splitlines(), done.returncode) == (SHAPES[program], 0), done.stderr


def test_a_worker_says_why_it_cannot_go_on(server: Server) -> None:
    for program, url in PROGRAMS.items():
        environment = {**os.environ, "TOKEN": "wrong", "URL": url.format(port=server.port)}
        done = subprocess.run(
            [sys.executable, ROOT / "examples" / program], env=environment, capture_output=True, text=True, timeout=30
        )
        assert done.returncode != 0
        assert "unauthenticated" in done.stderr


def test_the_javascript_worker_in_a_page(server: Server, rest: Rest) -> None:
    rest.publish("orders", {"body": {"order": 1}}, {"body": "bad"})
    handled: list[Any] = []
    module = (ROOT / "examples" / "websocket_worker.mjs").read_text().replace("export function", "function")
    handle = "(body) => { if (body === 'bad') throw new Error('bad input'); return told(body); }"
    options = f"{{url: 'ws://127.0.0.1:{server.port}/ws', token: '{TOKEN}', queue: 'orders', handle: {handle}}}"
    with chromium() as browser:
        page = browser.new_page()
        page.expose_function("told", lambda body: handled.append(body))
        page.goto(f"{server.url}/sign-in")
        page.evaluate(f"() => {{ {module}\nwindow.worker = consume({options}); }}")
        for _ in range(200):
            if counts(rest) == {"scheduled": 1}:
                break
            page.wait_for_timeout(50)
        page.evaluate("() => window.worker.stop()")
        (failed,) = rest.browse("orders")
    assert handled == [{"order": 1}]
    assert failed["last_error"] == "Error: bad input"
