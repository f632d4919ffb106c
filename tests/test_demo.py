"""``manage.py demo`` as a newcomer meets it, and in somebody's running broker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.server import ROOT, TOKEN, Server, free_port, inherited


@contextmanager
def demo(log: Path, *arguments: str, **environment: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command, running; ended at the end."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "demo", *arguments],
            cwd=ROOT,
            env={**inherited(), **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.wait(60)


def test_it_starts_a_broker_of_its_own_and_leaves_nothing_behind(tmp_path: Path):
    log, port = tmp_path / "log", free_port()
    elsewhere = {"TMPDIR": str(tmp_path), "PATH": os.environ["PATH"]}
    before = set(tmp_path.iterdir())
    with demo(log, "--bind", f"127.0.0.1:{port}", "--seconds", "2", **elsewhere) as process:
        assert process.wait(120) == 0, log.read_text()
    said = log.read_text()
    assert re.search(rf"http://127\.0\.0\.1:{port}/sign-in\S*", said), said
    assert "The shop is open" in said
    assert set(tmp_path.iterdir()) - before <= {log}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path / "data") as server:
        yield server.start()


def test_in_a_running_broker_it_shows_what_goes_wrong_and_is_cleared_away(broker: Server, tmp_path: Path):
    log, place = tmp_path / "log", ("--url", broker.url)
    with broker.rest() as rest:
        rest.declare("demo.theirs")
        with demo(log, *place, "--messages", "200", BROKERWEB_TOKEN=TOKEN):
            eventually(lambda: "The shop is open" in log.read_text(), 60)
            eventually(lambda: _counts(rest, "orders")["scheduled"] == 1, 60)  # the poison message waits for its next try
            eventually(lambda: _counts(rest, "payments")["blocked"] > 0, 60)
            eventually(
                lambda: _counts(rest, "webhooks") == {"ready": 20, "scheduled": 0, "blocked": 0, "leased": 8, "dead": 0}, 60
            )
            eventually(lambda: _counts(rest, "thumbnails")["dead"] >= 20, 60)
            assert rest.queue("demo.reports")["paused"]["reason"]
            assert rest.queue("demo.invoices")["consumers"] == 0
            eventually(lambda: rest.call("GET", "/streams/demo.events/groups/analytics")["lag"] > 100, 60)
        assert "It stays there until you delete it" in log.read_text()
        with demo(log, *place, "--remove", BROKERWEB_TOKEN=TOKEN) as process:
            assert process.wait(60) == 0, log.read_text()
        left = [queue["name"] for queue in rest.call("GET", "/queues")["items"]]
        assert left == ["demo.theirs"]


def _counts(rest, queue: str) -> dict[str, int]:
    return dict(rest.queue(f"demo.{queue}")["counts"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seconds", "0"], "--seconds is at most"),
        (["--messages", "2000000"], "--messages at most"),
        (["--remove"], "name it by --url"),
        (["--url", "ftp://x"], "is no address"),
        (["--url", "http://127.0.0.1:1"], "set BROKERWEB_TOKEN"),
    ],
)
def test_what_cannot_be_played_is_said_before_anything_is_done(tmp_path: Path, arguments: list[str], said: str):
    log = tmp_path / "log"
    with demo(log, *arguments) as process:
        assert process.wait(60) == 1
    assert said in log.read_text()
    assert "Traceback" not in log.read_text()
