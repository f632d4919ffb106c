"""The example programs against a real broker: what they handle is gone, what they cannot is told, and they stop cleanly."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

from tests.clients import Rest
from tests.console.browser import chromium
from tests.eventually import eventually
from tests.server import ROOT, TOKEN, Server, free_port

WORKERS = ["websocket_worker.py", "rest_worker.py"]
NODE = shutil.which("node")
SOON = 9  # seconds a program has to end: a poll that it must not wait for takes 10 or 20
INTERRUPTED = 130


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


def command(program: str) -> list[str]:
    path = str(ROOT / "examples" / program)
    if not program.endswith(".mjs"):
        return [sys.executable, path]
    if NODE is None:
        pytest.skip("Node is not on this machine")
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True, timeout=30).stdout
    has_sockets = int(version.removeprefix("v").partition(".")[0]) >= 22
    return [NODE, *([] if has_sockets else ["--experimental-websocket"]), path]


def environment(url: str, token: str = TOKEN) -> dict[str, str]:
    return {**os.environ, "BROKERWEB_URL": url, "BROKERWEB_TOKEN": token, "NODE_NO_WARNINGS": "1"}


def ended(program: str, url: str, token: str = TOKEN) -> subprocess.CompletedProcess[str]:
    """The program, which is to end by itself."""
    return subprocess.run(command(program), env=environment(url, token), capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("program", WORKERS)
def test_a_worker_handles_reports_reconnects_and_stops(server: Server, rest: Rest, tmp_path: Path, program: str) -> None:
    rest.publish("orders", {"body": {"order": 1}}, {"body": "bad"})
    with (tmp_path / "output").open("wb") as output:
        worker = subprocess.Popen(command(program), stdout=output, env=environment(server.url))
    try:
        eventually(lambda: counts(rest) == {"scheduled": 1}, why="one is done and one has failed")
        (failed,) = rest.browse("orders")
        assert (failed["failures"], failed["last_error"]) == (1, "ValueError('bad input')")
        server.terminate()
        server.start()
        rest.publish("orders", {"body": {"order": 2}})
        eventually(lambda: counts(rest) == {"scheduled": 1}, 40, why="it came back")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(SOON) == 0
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
    done = ended(program, server.url)
    assert (done.stdout.splitlines(), done.returncode) == (SHAPES[program], 0), done.stderr


# What each program waits in, and where that is seen: the queue that it consumes, or the one whose pause keeps it from its end.
TAKES = {
    "first_message.py": ("orders", INTERRUPTED),
    "first_message.mjs": ("orders", -signal.SIGINT),
    "websocket_worker.py": ("orders", 0),
    "websocket_worker.mjs": ("orders", 0),
    "rest_worker.py": ("orders", 0),
    "effectively_once/worker.py": ("numbers", INTERRUPTED),
}
ENDS = {"fan_out.py": "fan-billing", "pipeline.py": "pipe-orders", "request_reply.py": "ask"}
GO_ON = [program for program in TAKES if "worker" in program]


@pytest.mark.parametrize("program", [*TAKES, *ENDS])
def test_a_wrong_token_is_a_line_and_a_status(server: Server, program: str) -> None:
    done = ended(program, server.url, "wrong" * 6)
    assert done.returncode == 1
    assert re.search(r"token is unknown|unauthenticated|4001", done.stderr)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", [*TAKES, *ENDS])
def test_a_token_that_is_not_set_is_a_line_and_a_status(program: str) -> None:
    done = ended(program, "http://127.0.0.1:1", "")
    assert (done.returncode, done.stderr.splitlines()) == (1, ["set BROKERWEB_TOKEN"])


@pytest.mark.parametrize("program", [program for program in TAKES if program.endswith(".mjs")])
def test_a_node_without_websockets_is_a_line_and_a_status(tmp_path: Path, program: str) -> None:
    (tmp_path / "older.cjs").write_text("delete globalThis.WebSocket;")
    node, *arguments = command(program)
    done = subprocess.run(
        [node, "--require", str(tmp_path / "older.cjs"), *arguments],
        env=environment("http://127.0.0.1:1"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr.splitlines()) == (1, ["this needs Node 22 or newer"])


@pytest.mark.parametrize("program", [program for program in (*TAKES, *ENDS) if program not in GO_ON])
def test_a_broker_that_is_away_is_a_line_and_a_status(program: str) -> None:
    done = ended(program, url := f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 1
    assert url in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("program", GO_ON)
def test_a_worker_waits_for_a_broker_that_is_away_until_it_is_interrupted(tmp_path: Path, program: str) -> None:
    url, log = f"http://127.0.0.1:{free_port()}", tmp_path / "log"
    with log.open("wb") as output, running(program, url, output) as worker:
        eventually(lambda: url in log.read_text(), why="it says what it waits for")
        worker.send_signal(signal.SIGINT)
        assert worker.wait(SOON) == TAKES[program][1]
    assert "Traceback" not in log.read_text()


@contextmanager
def running(program: str, url: str, output: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    worker = subprocess.Popen(command(program), env=environment(url), stdout=output, stderr=subprocess.STDOUT)
    try:
        yield worker
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize("program", TAKES)
def test_ctrl_c_ends_a_program_that_waits_for_messages(server: Server, rest: Rest, tmp_path: Path, program: str) -> None:
    queue, status = TAKES[program]
    for name in ("numbers", "squares"):
        rest.declare(name)
    with (tmp_path / "log").open("wb") as output, running(program, server.url, output) as worker:
        rest.publish(queue, {"body": 7})
        eventually(lambda: not any(rest.queue(queue)["counts"].values()), why="it has had a message, and waits")
        worker.send_signal(signal.SIGINT)
        assert worker.wait(SOON) == status
    assert "Traceback" not in (tmp_path / "log").read_text()


@pytest.mark.parametrize("program", ENDS)
def test_ctrl_c_ends_a_program_before_its_end(server: Server, tmp_path: Path, program: str) -> None:
    with server.rest() as rest, (tmp_path / "log").open("wb") as output:
        rest.declare(ENDS[program])
        rest.call("POST", f"/queues/{ENDS[program]}/pause")
        with running(program, server.url, output) as begun:
            eventually(lambda: rest.queue(ENDS[program])["counts"]["ready"], why="what it waits for is held up")
            begun.send_signal(signal.SIGINT)
            assert begun.wait(SOON) == INTERRUPTED
        for kind in ("topics", "queues", "streams"):  # nothing of it is left to others
            for made in rest.call("GET", f"/{kind}")["items"]:
                rest.call("DELETE", f"/{kind}/{made['name']}")
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_the_javascript_worker_in_a_page(server: Server, rest: Rest) -> None:
    rest.publish("orders", {"body": {"order": 1}}, {"body": "bad"})
    handled: list[Any] = []
    module = (ROOT / "examples" / "websocket_worker.mjs").read_text().replace("export function", "function")
    handle = "(body) => { if (body === 'bad') throw new Error('bad input'); return told(body); }"
    options = f"{{url: '{server.url}', token: '{TOKEN}', queue: 'orders', handle: {handle}}}"
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
