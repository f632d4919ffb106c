"""``manage.py serve`` and ``signin`` as an operator meets them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Self

import httpx
import pytest

from tests.server import ROOT, Server, inherited, python_path

GENERATED = {"BROKERWEB_ADMIN_TOKEN": "", "BROKERWEB_ADMIN_PASSWORD": ""}


def manage(*arguments: str) -> subprocess.CompletedProcess[str]:
    return manage_with({}, *arguments)


def manage_with(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """The same with variables of one's own."""
    variables = {**inherited(), **environment}
    return subprocess.run(
        [sys.executable, "manage.py", *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60
    )


def test_the_first_start_prints_secrets_once_and_the_next_finds_everything_in_place(tmp_path: Path):
    with Server(tmp_path / "data", environment=GENERATED, empty=True) as server:
        server.start()
        first = server.log.read_text()
        token = re.search(r"bw_\S+", first)
        assert token is not None
        assert re.search(rf"{re.escape(server.url)}/sign-in\?code=\S+", first)
        headers = {"Authorization": f"Bearer {token[0]}"}
        assert httpx.put(f"{server.url}/api/v1/queues/orders", json={}, headers=headers).status_code == 201
        assert server.terminate() == 0

        server.start()
        second = server.log.read_text().removeprefix(first)
        assert "code=" not in second
        assert "bw_" not in second
        assert httpx.get(f"{server.url}/api/v1/queues/orders", headers=headers).status_code == 200


def test_what_was_given_is_not_printed(tmp_path: Path):
    with Server(tmp_path / "data", empty=True) as server:
        log = server.start().log.read_text()
        assert "tests" not in log.replace(str(tmp_path), "")


def test_signin_prints_another_link(tmp_path: Path):
    with Server(tmp_path / "data") as server:
        server.start()
        done = manage("signin", "--data", str(server.data), "--bind", f"127.0.0.1:{server.port}")
        assert done.returncode == 0, done.stderr
        link = done.stdout.strip()
        assert link.startswith(f"{server.url}/sign-in?code=")
        assert httpx.get(link).status_code == 200
        assert "psycopg" not in Path(f"/proc/{server.pid}/maps").read_text()  # the driver of a database that is not used


def test_signin_knows_where_the_server_listens(tmp_path: Path):
    with Server(tmp_path / "data") as server:
        server.start()
        asked = {"BROKERWEB_DATA": str(server.data), "BROKERWEB_BIND": "127.0.0.1:0"}
        assert manage_with(asked, "signin").stdout.startswith(f"{server.url}/sign-in?code=")
        told = manage("signin", "--data", str(server.data), "--public-url", "https://broker.example")
        assert told.stdout.startswith("https://broker.example/sign-in?code=")
        assert server.terminate() == 0
        assert (server.data / "lock").read_text() == ""


def test_a_second_server_names_the_process_of_the_first(tmp_path: Path):
    with Server(tmp_path / "data") as server:
        server.start()
        done = manage("serve", "--data", str(server.data), "--bind", "127.0.0.1:0")
        assert done.returncode == 1
        assert f"another server (process {server.pid}) uses {server.data};" in done.stderr


def test_it_says_where_the_database_really_is(tmp_path: Path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "data").symlink_to(tmp_path / "elsewhere")
    with Server(tmp_path / "data") as server:
        log = server.start().log.read_text()
    assert f"database {tmp_path}/elsewhere/brokerweb.sqlite3, data in {tmp_path}/data)" in log


def django(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """``manage.py`` of a project that has the wheel: settings are read before flags."""
    command = [sys.executable, "-m", "django", *arguments, "--settings", "brokerweb.settings"]
    variables = {**inherited(), "PYTHONPATH": python_path(ROOT), **environment}
    return subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("command", [["serve", "--bind", "127.0.0.1:0"], ["signin"]])
def test_a_data_directory_that_does_not_move_the_database_is_refused(tmp_path: Path, command: list[str]):
    real, asked = tmp_path / "real", tmp_path / "asked"
    done = django({"BROKERWEB_DATA": str(real)}, *command, "--data", str(asked))
    assert done.returncode == 1
    assert f"{asked} does not move the database" in done.stderr
    assert f"{real}/brokerweb.sqlite3" in done.stderr
    assert "Traceback" not in done.stderr
    assert not asked.exists()
    assert not (real / "brokerweb.sqlite3").exists()


def test_signin_for_nobody_says_so(tmp_path: Path):
    with Server(tmp_path / "data") as server:
        server.start()
        done = manage("signin", "nobody", "--data", str(server.data))
        assert done.returncode == 1
        assert "no active user 'nobody'" in done.stderr


def test_signin_before_the_first_start_says_what_to_do(tmp_path: Path):
    done = manage("signin", "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "start serve first" in done.stderr
    assert "Traceback" not in done.stderr
    assert str(tmp_path / "data") in done.stderr
    assert not (tmp_path / "data").exists()


def test_a_short_administrators_token_stops_the_start(tmp_path: Path):
    with Server(tmp_path / "data", environment={"BROKERWEB_ADMIN_TOKEN": "short"}, empty=True) as server:
        server.start(ready=False)
        assert server.exit_status() == 1
        assert "at least 24 characters" in server.log_tail()
        assert "Traceback" not in server.log_tail()
        assert " on http" not in server.log_tail()
        assert not (server.data / "brokerweb.sqlite3").exists()


def test_the_command_for_another_link_works_as_it_is_printed(tmp_path: Path):
    with Server(tmp_path / "the data", environment=GENERATED, empty=True) as server:
        log = server.start().log.read_text()
        assert f"data in {server.data})" in log
        command = re.search(r"Another link, later:  (.*)", log)
        assert command is not None
        done = subprocess.run(command[1], shell=True, cwd=ROOT, env=inherited(), capture_output=True, text=True, timeout=60)
        assert done.stdout.startswith(f"{server.url}/sign-in?code="), done.stderr


class Stock(Server):
    """Uvicorn as it comes, told of the application."""

    def start(self, *arguments: str, ready: bool = True) -> Self:
        command = [sys.executable, "-m", "uvicorn", "brokerweb.asgi:application", "--port", str(self.port), *arguments]
        environment = {**inherited(), "BROKERWEB_DATA": str(self.data)}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)
        if ready:
            self.wait_ready()
        return self


def test_another_asgi_server_is_the_only_one_too(tmp_path: Path):
    with Server(tmp_path / "data") as first:
        first.start()
        with Stock(first.data) as second:
            second.start(ready=False)
            assert second.exit_status() == 3
            assert f"another server (process {first.pid}) uses {first.data}" in second.log_tail(100)
        assert first.terminate() == 0
        with Stock(first.data) as stock:
            stock.start()
            first.start(ready=False)
            assert first.exit_status() == 1
            assert stock.readiness() == 200
            assert stock.terminate() in (0, -15)  # it ends itself by the signal that it was sent
        assert first.start().readiness() == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--workers", "2"], "one writer"),
        (["--workers", "0"], "at least 1"),
        (["--no-migrate"], "run manage.py migrate"),
        (["--bind", "nowhere"], "ADDRESS:PORT"),
        (["--bind", "203.0.113.7:8000"], "cannot listen on 203.0.113.7:8000"),
        (["--server", "gunicorn"], "daphne or uvicorn"),
        (["--max-request-bytes", "many"], "BROKERWEB_MAX_REQUEST_BYTES"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(tmp_path: Path, arguments: list[str], words: str):
    done = manage("serve", "--data", str(tmp_path / "data"), *arguments)
    assert done.returncode != 0
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_deployment_behind_tls_passes_djangos_checks(tmp_path: Path):
    environment = {"BROKERWEB_DATA": str(tmp_path / "data"), "BROKERWEB_PUBLIC_URL": "https://broker.example"}
    done = manage_with(environment, "check", "--deploy", "--fail-level", "WARNING")
    assert done.returncode == 0, done.stderr


def a_file(data: Path) -> None:
    data.write_text("no directory")


def nothing_below_it(data: Path) -> None:
    data.symlink_to("/proc/nope")


def no_lock(data: Path) -> None:
    (data / "lock").mkdir(parents=True)


def no_database(data: Path) -> None:
    data.mkdir()
    (data / "brokerweb.sqlite3").write_bytes(b"no database" * 2_000)


@pytest.mark.parametrize("spoil", [a_file, nothing_below_it, no_lock, no_database])
def test_data_that_cannot_be_used_are_named_in_one_line(tmp_path: Path, spoil: Callable[[Path], None]):
    spoil(tmp_path / "data")
    done = manage("serve", "--data", str(tmp_path / "data"), "--bind", "127.0.0.1:0")
    assert done.returncode == 1
    assert f"BROKERWEB_DATA: cannot use {tmp_path / 'data'}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""
