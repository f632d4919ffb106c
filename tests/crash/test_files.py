"""F20: files that are cut off, removed, emptied or replaced, at rest and while they are open. It is noticed, and said."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import httpx
import pytest

from brokerweb.storage.driver import sqlite
from tests.clients import Refused
from tests.eventually import eventually
from tests.powerfail.shim import Disk
from tests.server import TOKEN, Server

FILE, LOG, INDEX = "brokerweb.sqlite3", "brokerweb.sqlite3-wal", "brokerweb.sqlite3-shm"


def published(server: Server, n: int = 3) -> None:
    with server.rest() as rest:
        rest.declare("orders")
        rest.publish("orders", *({"body": i} for i in range(n)))


def ready(server: Server) -> int:
    with server.rest() as rest:
        return int(rest.queue("orders")["counts"]["ready"])


def refused(server: Server) -> str:
    """What a start says that ends at once."""
    before = len(server.log_tail(10_000))
    server.start(ready=False)
    assert server.exit_status() == 1
    said = server.log_tail(10_000)[before:]
    assert "Traceback" not in said
    return said


def checks(server: Server) -> tuple[int, str]:
    answer = httpx.get(f"{server.url}/readyz", timeout=10)
    return answer.status_code, answer.json()["checks"]["store"]


def not_ready(server: Server) -> tuple[int, str]:
    """What is said once it is noticed."""
    eventually(lambda: checks(server)[0] == 503, why="it is noticed")
    return checks(server)


# At rest


def remove_the_log(data: Path) -> None:
    (data / LOG).unlink()


def remove_the_log_and_its_index(data: Path) -> None:
    (data / LOG).unlink()
    (data / INDEX).unlink()


def cut_the_log_off(data: Path) -> None:
    os.truncate(data / LOG, (data / LOG).stat().st_size - 100)


def empty_the_log(data: Path) -> None:
    os.truncate(data / LOG, 0)


def damage_the_log(data: Path) -> None:
    with (data / LOG).open("r+b") as file:
        file.seek(-3000, os.SEEK_END)
        file.write(b"\xff\x00" * 50)


def empty_the_database(data: Path) -> None:
    os.truncate(data / FILE, 0)


def remove_the_database(data: Path) -> None:
    (data / FILE).unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (remove_the_log, f"{LOG} is gone"),
        (remove_the_log_and_its_index, f"{LOG} is gone"),
        (cut_the_log_off, f"{LOG} lacks some of what was committed to it"),
        (empty_the_log, f"{LOG} lacks some of what was committed to it"),
        (damage_the_log, f"{LOG} lacks some of what was committed to it"),
        (empty_the_database, f"{FILE} is empty, and there was one here before"),
        (remove_the_database, f"{FILE} is gone, and there was one here before"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_is_missing_after_a_kill_is_noticed_and_accepted_only_when_told_so(
    fresh: Server, harm: Callable[[Path], None], words: str
) -> None:
    fresh.start()
    published(fresh)
    fresh.kill()
    harm(fresh.data)
    before = {path.name: path.read_bytes() for path in fresh.data.iterdir() if path.name in {FILE, LOG}}

    said = refused(fresh)

    assert words in said
    assert "--accept-loss" in said
    assert {path.name: path.read_bytes() for path in fresh.data.iterdir() if path.name in {FILE, LOG}} == before
    assert words in refused(fresh), "asking twice changes nothing"
    assert fresh.start("--accept-loss").readiness() == 200
    assert "this start accepts the loss" in fresh.log_tail()
    fresh.kill()
    assert fresh.start().readiness() == 200


@pytest.mark.parametrize("harm", [empty_the_database, remove_the_database])
def test_a_database_that_is_gone_after_a_clean_end_is_noticed_too(server: Server, harm: Callable[[Path], None]) -> None:
    assert server.start().terminate() == 0
    harm(server.data)

    assert "there was one here before" in refused(server)

    assert server.start("--accept-loss").readiness() == 200


def test_a_log_beside_no_database_is_not_thrown_away_even_where_there_is_no_mark(fresh: Server) -> None:
    fresh.start()
    published(fresh)
    fresh.kill()
    (fresh.data / f"{FILE}.mark").unlink()
    remove_the_database(fresh.data)

    assert "there was one here before" in refused(fresh)

    assert (fresh.data / LOG).stat().st_size > 0


def test_another_program_may_take_the_log_in_after_a_kill(server: Server) -> None:
    server.start()
    published(server)
    server.kill()
    with closing(sqlite.connect(server.data / FILE)) as shell:
        assert shell.execute("SELECT count(*) FROM brokerweb_queues_message").fetchone() == (3,)
    assert not (server.data / LOG).exists()

    server.start()

    assert ready(server) == 3
    assert "another program has since taken its log" in server.log_tail()


def test_after_a_clean_end_the_database_needs_no_log(server: Server) -> None:
    server.start()
    published(server)
    assert server.terminate() == 0
    for name in (LOG, INDEX):
        (server.data / name).unlink(missing_ok=True)

    server.start()

    assert ready(server) == 3
    assert "WARNING" not in server.log_tail(10_000)


@pytest.mark.parametrize("name", ["secret.key", FILE, LOG, "lock", f"{FILE}.mark"])
def test_a_first_start_that_was_killed_is_none(fresh: Server, name: str) -> None:
    """At the moment a file appears, whatever is in it by then."""
    fresh.start(ready=False)
    eventually(lambda: (fresh.data / name).exists(), 40, why=name, interval=0.0005)
    fresh.kill()

    assert fresh.start().readiness() == 200


# While they are open


def delete(name: str) -> Callable[[Path], None]:
    return lambda data: (data / name).unlink()


def replace(name: str) -> Callable[[Path], None]:
    def with_a_copy(data: Path) -> None:
        shutil.copy(data / name, data / "copy")
        (data / "copy").replace(data / name)

    return with_a_copy


def truncate(name: str, size: int) -> Callable[[Path], None]:
    return lambda data: os.truncate(data / name, size)


@pytest.mark.parametrize("kind", ["uvicorn", "daphne"])
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (delete(FILE), f"{FILE} was deleted while it was open"),
        (delete(LOG), f"{LOG} was deleted while it was open"),
        (delete(INDEX), f"{INDEX} was deleted while it was open"),
        (replace(FILE), f"{FILE} was replaced while it was open"),
        (replace(LOG), f"{LOG} was replaced while it was open"),
        (truncate(FILE, 0), f"{FILE} was truncated while it was open|malformed|not a database"),  # whoever sees it first
        (truncate(FILE, 8192), f"{FILE} was truncated while it was open|malformed|not a database"),
        (truncate(LOG, 0), f"{LOG} was truncated while it was open"),
    ],
    ids=["delete", "delete-wal", "delete-shm", "replace", "replace-wal", "empty", "truncate", "empty-wal"],
)
def test_a_file_that_is_not_what_was_opened_makes_the_store_not_writable_for_good(
    server: Server, harm: Callable[[Path], None], words: str, kind: str
) -> None:
    server.kind = kind
    server.start()
    published(server)
    harm(server.data)
    with server.rest() as rest:
        for path in ("/tokens", "/jobs", "/tokens"):  # each opens the database anew, and would make what is gone
            with suppress(Refused):
                rest.call("GET", path)

    status, store = not_ready(server)

    assert store.startswith("not writable: ")
    assert re.search(words, store)
    with server.rest() as rest:
        for _ in range(3):
            with pytest.raises(Refused, match=r"damaged|malformed|not a database") as caught:
                rest.publish("orders", {"body": "lost"})
            assert caught.value.status == 503
    assert checks(server) == (status, store)
    assert store.removeprefix("not writable: ") in server.log_tail(200)
    assert server.terminate() == 0, "it stops all the same, and does not call it a clean end"
    assert '"running": true' in (server.data / f"{FILE}.mark").read_text()


def test_a_database_that_is_malformed_makes_the_store_not_writable_for_good(server: Server) -> None:
    server.start()
    published(server)
    with (server.data / FILE).open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(4096)
        file.write(b"\xa5" * (size - 4096))
    asked = [
        httpx.get(f"{server.url}/api/v1/{path}", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).status_code
        for path in ("tokens", "streams", "topics", "jobs", "queues")  # some of it is not in the log any more
    ]
    assert set(asked) <= {200, 503}
    assert 503 in asked

    status, store = not_ready(server)

    assert "malformed" in store
    with server.rest() as rest, pytest.raises(Refused) as caught:
        rest.publish("orders", {"body": "lost"})
    assert caught.value.status == 503
    assert checks(server) == (status, store)


def test_vacuum_and_checkpoints_by_another_program_are_no_damage(server: Server) -> None:
    server.start()
    published(server, 1000)
    with server.rest() as rest:
        rest.call("POST", "/queues/orders/purge", {})
        for _ in range(2):
            with closing(sqlite.connect(server.data / FILE, isolation_level=None)) as shell:
                shell.execute("VACUUM")
                assert shell.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
            published(server, 100)
            heartbeat(server)
            assert checks(server) == (200, "ok")
    server.kill()

    server.start()

    assert ready(server) == 200


def heartbeat(server: Server) -> None:
    """Wait until the server has noted that it is alive."""
    mark = server.data / f"{FILE}.mark"
    before = mark.read_text()
    eventually(lambda: mark.read_text() != before, why="a heartbeat")


# Restored and copied


def test_the_restore_of_the_documents_works_after_a_clean_end_and_after_a_kill(server: Server) -> None:
    server.start()
    published(server)
    command = (
        "from brokerweb.storage.driver import sqlite as s; s.connect('data/brokerweb.sqlite3').backup(s.connect('copy.sqlite3'))"
    )
    subprocess.run([sys.executable, "-c", command], cwd=server.data.parent, check=True, timeout=60)
    published(server)

    for stop, arguments in ((server.terminate, ()), (server.kill, ("--accept-loss",))):
        stop()
        shutil.copy(server.data.parent / "copy.sqlite3", server.data / FILE)
        for name in (LOG, INDEX):
            (server.data / name).unlink(missing_ok=True)
        server.start(*arguments)
        assert ready(server) == 3


def test_a_copy_may_be_served_beside_the_running_broker(server: Server, tmp_path: Path) -> None:
    server.start()
    published(server)
    with Server(tmp_path / "copied") as second:
        second.data.mkdir()
        with (
            closing(sqlite.connect(server.data / FILE)) as source,
            closing(sqlite.connect(second.data / FILE)) as target,
        ):
            source.backup(target)
        second.start()
        assert ready(second) == 3


def test_the_secret_key_outlives_a_power_cut_right_after_the_first_start(disk: Disk) -> None:
    with Server(disk.live, environment=disk.environment) as server:
        server.start().kill()
        key = (disk.live / "secret.key").read_text()
        assert len(key) > 40
        disk.cut_power(keep=0, seed=0)
        assert (disk.live / "secret.key").read_text() == key
        assert server.start().readiness() == 200
