"""The programs that the console shows work as they are pasted."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import RequestFactory

from brokerweb import conf
from brokerweb.console import snippets
from brokerweb.console.snippets import Host, Snippet
from tests.console.browser import chromium
from tests.eventually import eventually
from tests.server import TOKEN, Server, inherited


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("snippets") / "data") as server:
        server.start()
        with server.rest() as rest:
            rest.declare("orders")
            rest.call("PUT", "/streams/events", {})
        yield server


def of(found: list[Snippet], language: str) -> str:
    [snippet] = [each for each in found if each.language == language]
    return snippet.text


def host(server: Server) -> Host:
    return Host(server.url, server.url.replace("http", "ws", 1))


def counts(server: Server) -> list[int]:
    with server.rest() as rest:
        return [rest.queue("orders")["counts"][state] for state in ("ready", "leased")]


@pytest.mark.parametrize("token", ["", TOKEN])
def test_what_is_published_with_curl_is_leased_and_acknowledged_with_it(server: Server, token: str):
    env = {**inherited(), "BROKERWEB_TOKEN": "" if token else TOKEN}
    for found in (snippets.publishing, snippets.consuming):
        text = of(found(host(server), "orders", token), "curl")
        done = subprocess.run(["sh", "-c", text], capture_output=True, text=True, env=env, timeout=60, check=True)
    assert '"hello":' in done.stdout.replace(" ", "")
    assert '"status":"ok"' in done.stdout
    assert counts(server) == [0, 0]


def test_the_python_programs_publish_and_acknowledge(server: Server, tmp_path: Path):
    env = {**os.environ, "BROKERWEB_TOKEN": TOKEN}
    published = of(snippets.publishing(host(server), "orders"), "Python")
    subprocess.run([sys.executable, "-c", published], env=env, timeout=60, check=True, capture_output=True)
    assert counts(server) == [1, 0]
    with (tmp_path / "output").open("wb") as output:
        consumed = of(snippets.consuming(host(server), "orders"), "Python")
        running = subprocess.Popen([sys.executable, "-u", "-c", consumed], stdout=output, env=env)
    try:
        eventually(lambda: counts(server) == [0, 0])
    finally:
        running.kill()
        running.wait()
    assert "{'hello': 'world'}" in (tmp_path / "output").read_text()


def test_the_javascript_programs_work_in_a_page(server: Server):
    with chromium() as browser:
        page = browser.new_page()
        page.on("dialog", lambda dialog: dialog.accept(TOKEN))
        page.goto(f"{server.url}/sign-in")
        page.evaluate(f"async () => {{ {of(snippets.publishing(host(server), 'orders'), 'JavaScript')} }}")
        assert counts(server) == [1, 0]
        page.evaluate(f"() => {{ {of(snippets.consuming(host(server), 'orders'), 'JavaScript')} }}")
        for _ in range(200):
            if counts(server) == [0, 0]:
                break
            page.wait_for_timeout(50)
    assert counts(server) == [0, 0]


def test_no_program_takes_messages_away_unacknowledged():
    shown = snippets.consuming(Host("http://h", "ws://h"), "orders")
    assert [each.language for each in shown if '"none"' in each.text] == []


def test_behind_a_proxy_the_address_is_the_named_one_with_its_port(monkeypatch: pytest.MonkeyPatch, settings: object):
    monkeypatch.setenv("BROKERWEB_PUBLIC_URL", "https://broker.example:8443,https://other.example")
    conf.forget()
    settings.ALLOWED_HOSTS = ["*"]  # type: ignore[attr-defined]  # pytest-django's
    request = RequestFactory().get("/", headers={"host": "broker.example"})
    assert Host.of(request) == Host("https://broker.example:8443", "wss://broker.example:8443")
