"""What people type as the address of a broker, and where they type it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from brokerweb.cli import main
from brokerweb.management.commands import serve
from tests.cli.conftest import Command
from tests.server import Server


class Foreign(BaseHTTPRequestHandler):
    """No broker. The first part of the path says what it answers."""

    def do_GET(self) -> None:
        _, first, rest = self.path.split("/", 2)
        status, body = {"page": (200, b"<html>"), "list": (200, b"[1]"), "lost": (404, b"gone"), "deny": (405, b"")}.get(
            first, (302, b"")
        )
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            host = self.headers["Host"]
            self.send_header("Location", f"https://{host}/{first}/{rest}" if first == "tls" else "/sign-in")
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def foreign() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Foreign) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize(
    "arguments", [["queue", "list"], ["queue", "show", "q"], ["publish", "q", "1"], ["tail", "s"], ["consume", "q"]]
)
@pytest.mark.parametrize("answers", ["page", "list", "lost", "deny", "sign-in"])
def test_what_answers_and_is_no_broker_is_called_so(command: Command, foreign: str, arguments: list[str], answers: str):
    ran = command(*arguments, "--url", f"{foreign}/{answers}")
    assert (ran.status, ran.out) == (3, "")
    assert "is no broker" in ran.err
    assert f"leave the path off: {foreign}\n" in ran.err


def test_where_it_redirects_to_is_said(command: Command, foreign: str):
    ran = command("queue", "list", "--url", f"{foreign}/tls")
    assert ran.status == 3
    assert f"redirects to {foreign.replace('http:', 'https:')}/tls; name that address" in ran.err


@pytest.mark.parametrize("address", ["http://127.0.0.1:abc", "127.0.0.1:8000", "localhost", "ftp://there", "http://"])
def test_what_is_no_address_is_said(command: Command, address: str):
    ran = command("queue", "list", "--url", address)
    assert (ran.status, "is no address" in ran.err) == (3, True), ran.err


def test_a_path_is_to_be_left_off(command: Command, server: Server):
    for path in ("/api/v1", "/api/v1/queues"):
        ran = command("queue", "list", "--url", server.url + path)
        assert (ran.status, f"{server.url} instead of" in ran.err) == (3, True), ran.err
    assert "leave the path off" in command("queue", "list", "--url", server.url + "/nowhere").err
    assert command("queue", "list", "--url", server.url + "/").status == 0


@pytest.mark.parametrize(
    ("typed", "given", "data"),
    [
        (["--data", "there", "signin"], ["signin"], "there"),
        (["--data=there", "serve", "--workers", "2"], ["serve", "--workers", "2"], "there"),
        (["copy", "sqlite:x", "--data", "there"], ["copy", "sqlite:x"], "there"),
        (["--url", "http://h", "demo", "--remove"], ["demo", "--url=http://h", "--remove"], None),
        (["serve", "--data"], ["serve", "--data"], None),
    ],
)
def test_options_of_all_commands_stand_anywhere(
    monkeypatch: pytest.MonkeyPatch, typed: list[str], given: list[str], data: str | None
):
    ran: list[list[str]] = []
    monkeypatch.setattr("brokerweb.management.entry.execute", ran.append)
    monkeypatch.setattr(sys, "argv", ["brokerweb", *typed])
    environment: dict[str, str] = {}
    monkeypatch.setattr("os.environ", environment)
    main.run()
    assert ran == [["brokerweb", *given]]
    assert environment.get("BROKERWEB_DATA") == data


def test_another_link_is_made_by_the_program_that_runs(monkeypatch: pytest.MonkeyPatch):
    for program, said in {
        "/venv/lib/django/__main__.py": f"{sys.executable} -m brokerweb",
        "/venv/lib/brokerweb/__main__.py": f"{sys.executable} -m brokerweb",
        "/venv/bin/brokerweb": "/venv/bin/brokerweb",
    }.items():
        monkeypatch.setattr(sys, "argv", [program, "serve"])
        monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "brokerweb.settings")
        assert " ".join(serve._program()) == said
