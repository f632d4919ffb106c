"""A disk that is really full: a small file system, filled by publishes until they are refused, then by something else to the last
byte. What takes messages away goes on, the broker starts again, and once there is room publishes go on by themselves.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from brokerweb.storage.disk import STEP
from tests.clients import Refused, Rest
from tests.eventually import eventually
from tests.server import Server

SIZE = "16m"
BODY = "x" * 20_000
PASSWORD = "password-of-the-real-server-tests"
TOO_MANY = 2_000


@pytest.fixture
def small_disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A file system of 16 MiB, or of what the test says, for this test alone."""
    size = getattr(request, "param", SIZE)
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system may be mounted here: {mounted.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture(params=["uvicorn", "daphne"])
def server(request: pytest.FixtureRequest, small_disk: Path, tmp_path: Path) -> Iterator[Server]:
    with Server(small_disk / "data", kind=request.param) as server:
        server.log = tmp_path / "server.log"
        yield server.start()


def free(place: Path) -> int:
    return shutil.disk_usage(place).free


def fill(place: Path) -> Path:
    """Something else takes all that is free, to the last byte."""
    foreign = place / "foreign"
    with foreign.open("ab", buffering=0) as file:
        for size in (65_536, 1):
            try:
                while True:
                    file.write(b"f" * size)
            except OSError:
                pass
    return foreign


def publish_until_refused(rest: Rest, queue: str) -> int:
    """How many were stored before the first 507."""
    stored = 0

    def publish() -> None:
        nonlocal stored
        for stored in range(TOO_MANY):  # noqa: B007 (its last value is the answer)
            rest.publish(queue, {"body": BODY})

    with pytest.raises(Refused, match="store_full") as caught:
        publish()
    assert caught.value.status == 507
    assert "BROKERWEB_MIN_FREE_BYTES" in caught.value.answer["detail"]
    return stored


def readyz(server: Server) -> tuple[int, Any]:
    answer = httpx.get(f"{server.url}/readyz", verify=False)
    return answer.status_code, answer.json()


def metric(server: Server, rest: Rest, name: str) -> float:
    text = httpx.get(f"{server.url}/metrics", headers=rest.http.headers, verify=False).text
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return float(found[1])


def sign_in(server: Server) -> int:
    """The status of the overview after signing in by password."""
    with httpx.Client(base_url=server.url, verify=False) as browser:
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', browser.get("/sign-in").text)
        assert token is not None
        form = {"username": "admin", "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        entered = browser.post("/sign-in", data=form)
        assert entered.status_code == 302, entered.text
        return browser.get("/").status_code


def drain(rest: Rest, queue: str, most: int = TOO_MANY) -> int:
    """Receive and acknowledge message after message; how many."""
    taken = 0
    while taken < most and (messages := rest.receive(queue, max=5)):
        results = rest.settle(queue, ack=[message["receipt"] for message in messages])
        assert [result["status"] for result in results] == ["ok"] * len(messages)
        taken += len(messages)
    return taken


def test_at_no_byte_free_messages_are_taken_away_and_the_broker_starts_again(server: Server, small_disk: Path) -> None:
    with server.rest() as rest:
        for queue in ("kept", "purged", "gone"):
            rest.declare(queue, lease=600)
            rest.publish(queue, *({"body": BODY} for _ in range(5)))
        stored = publish_until_refused(rest, "kept") + 5
        assert stored > 50, "most of the disk can be used"
        assert metric(server, rest, "brokerweb_disk_refusing") == 1
        status, content = readyz(server)
        assert (status, content["status"], content["checks"]["disk"]) == (200, "degraded", "full")
        with pytest.raises(Refused, match="store_full"):
            rest.call("POST", "/transact", {"publish": [{"to": "queue:kept", "messages": [{"body": 1}]}]})

        foreign = fill(small_disk)
        assert free(small_disk) <= STEP, "but for what the broker is about to write"
        assert drain(rest, "kept", 20) == 20
        assert sign_in(server) == 200
        rest.call("POST", "/queues/purged/purge", {})
        rest.call("DELETE", "/queues/gone")
        with pytest.raises(Refused, match="store_full"):
            rest.publish("kept", {"body": BODY})
    fill(small_disk)
    assert server.terminate() == 0
    fill(small_disk)
    server.start()
    with server.rest() as rest:
        fill(small_disk)
        assert drain(rest, "kept") == stored - 20
        assert sign_in(server) == 200
        assert readyz(server)[1]["checks"]["store"] == "ok"
        os.unlink(foreign)
        eventually(lambda: readyz(server)[1]["status"] == "ok", why="room again")
        rest.publish("kept", *({"body": BODY} for _ in range(10)))
        eventually(lambda: (server.data / "brokerweb.sqlite3-reserve").exists(), why="a reserve again")
        assert rest.queue("purged")["counts"]["ready"] == 0


@pytest.mark.parametrize("small_disk", ["6m", SIZE], indirect=True)
def test_what_consumers_took_away_makes_room_though_the_file_keeps_its_size(server: Server) -> None:
    with server.rest() as rest:
        rest.declare("orders", lease=600)
        stored = publish_until_refused(rest, "orders")
        assert drain(rest, "orders") == stored
        eventually(lambda: readyz(server)[1]["status"] == "ok", why="room again")
        assert publish_until_refused(rest, "orders") > stored * 0.7


def test_a_killed_broker_starts_on_a_full_disk(server: Server, small_disk: Path) -> None:
    with server.rest() as rest:
        rest.declare("orders", lease=600)
        stored = publish_until_refused(rest, "orders")
    fill(small_disk)
    server.kill()
    server.start()
    with server.rest() as rest:
        assert drain(rest, "orders") == stored
