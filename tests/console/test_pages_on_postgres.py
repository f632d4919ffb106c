"""Every page that a link of the console leads to is shown on PostgreSQL, with a shop's traffic and its troubles in it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter, deque
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.postgres import Servers
from tests.server import ROOT, TOKEN, Server, inherited

ALIKE = 4  # pages of one kind, such as those of messages, and as many of it with each other set of parameters
LINK = re.compile(r'(?:href|hx-get)="(/[^"#]*)')
NO_PAGES = ("/static/", "/api/", "/sign-out")


def play(server: Server) -> None:
    command = [sys.executable, "manage.py", "demo", "--url", server.url, "--seconds", "8"]
    env = {**inherited(), "BROKERWEB_TOKEN": TOKEN}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def kind(link: str) -> str:
    """What the page is of, whichever row it is about."""
    parts = urlsplit(link)
    names = re.sub(r"=[^&]*", "", parts.query)
    return re.sub(r"\d+|demo\.[\w.-]+|(?<=groups/)[\w-]+", "*", parts.path) + "?" + names


def signed_in(server: Server) -> httpx.Client:
    client = httpx.Client(base_url=server.url, timeout=30)
    form = {"username": "admin", "password": "password-of-the-real-server-tests"}
    client.get("/sign-in")
    form["csrfmiddlewaretoken"] = client.cookies["brokerweb_csrf"]
    assert client.post("/sign-in", data=form, headers={"Referer": server.url + "/sign-in"}).status_code == 302
    return client


def test_every_page_is_shown(postgres_servers: Servers, tmp_path: Path) -> None:
    with Server(tmp_path / "data", postgres=postgres_servers.get("wheel")) as server:
        play(server.start())
        with server.rest() as rest:
            rest.call("POST", "/queues/demo.receipts/redrive", {})
        wrong, seen, of_a_kind = {}, set(), Counter[str]()
        with closing(signed_in(server)) as client:
            token = {"csrfmiddlewaretoken": client.cookies["brokerweb_csrf"]}
            sent = {"body": "{}", "kind": "json", "template_name": "usual", "template_shared": "1", "as": "template"}
            for fields in (sent, sent, {**sent, "as": "", "times": "600"}):
                kept = client.post("/queues/demo.receipts/publish", data=fields | token, headers={"Referer": server.url})
                assert kept.status_code == 200
            made = {"token-name": "shop", "token-use": "both", "token-expires": ""}
            place = "/queues/demo.receipts/connect/token"
            assert client.post(place, data=made | token, headers={"Referer": server.url}).status_code == 200
            waiting = deque(["/"])
            while waiting:
                link = waiting.popleft()
                answer = client.get(link)
                if answer.status_code != 200:
                    wrong[link] = answer.status_code
                for found in map(unescape, LINK.findall(answer.text)):
                    if found in seen or found.startswith(NO_PAGES) or of_a_kind[kind(found)] >= ALIKE:
                        continue
                    seen.add(found)
                    of_a_kind[kind(found)] += 1
                    waiting.append(found)
        assert wrong == {}, server.log_tail(200)
        assert len(of_a_kind) > 60, sorted(of_a_kind)
        assert "Traceback" not in server.log_tail(1000)
