"""The example project on PostgreSQL, in which most Django teams store: as it comes, with Django's pool, and behind PgBouncer."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests import pgbouncer
from tests.postgres import Postgres, Servers
from tests.server import ROOT, TOKEN, inherited, python_path
from tests.shop import SHOP, ShopServer, with_settings

SETTINGS = """
DATABASES = {{"default": {database}}}
"""


def project(directory: Path, server: Postgres, **database: Any) -> dict[str, str]:
    """The environment of the shop in that directory, on a database of its own."""
    given = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.new_database(),
        "HOST": str(server.folder),
        "USER": "tests",
    }
    environment = with_settings(directory, SETTINGS.format(database=given | database))
    return inherited() | environment | {"PYTHONPATH": python_path(ROOT, SHOP, directory), "TEAM_SERVER": server.dsn()}


def run_tests(directory: Path, environment: dict[str, str], *names: str) -> None:
    command = [sys.executable, str(SHOP / "manage.py"), "test", "--noinput", *names]
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "OK" in done.stderr, done.stderr


def test_as_it_comes(tmp_path: Path, postgres_servers: Servers):
    run_tests(tmp_path, project(tmp_path, postgres_servers.get("wheel")), "tests.projects.team")


def test_with_djangos_pool(tmp_path: Path, postgres_servers: Servers):
    server = postgres_servers.get("wheel")
    run_tests(
        tmp_path, project(tmp_path, server, OPTIONS={"pool": True, "server_side_binding": True}), "tests.projects.team.Committed"
    )


def test_behind_pgbouncer(tmp_path: Path, postgres_servers: Servers):
    server = postgres_servers.get("wheel")
    with pgbouncer.before(server) as pooler:
        through = {"HOST": str(pooler), "PORT": pgbouncer.PORT, "DISABLE_SERVER_SIDE_CURSORS": True}
        run_tests(tmp_path, project(tmp_path, server, **through), "tests.projects.team.Committed")


FORKED = """
import os, django
django.setup()
from decimal import Decimal
from django.db import connection
from shop.ordering import place_order
place_order("before", Decimal(1))
connection.close()
connection.close_pool()
child = os.fork()
place_order("child" if child == 0 else "parent", Decimal(1))
if child:
    os.waitpid(child, 0)
"""


@pytest.fixture(scope="module")
def shop(postgres_servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopServer]:
    """Served on the project's own PostgreSQL, by Django's pool, which has four connections as it comes."""
    directory = tmp_path_factory.mktemp("shop")
    environment = project(directory, postgres_servers.get("wheel"), OPTIONS={"pool": True})
    with ShopServer(directory / "data", environment=environment) as server:
        server.start()
        assert server.call("PUT", "").status_code == 201
        yield server


def hints(shop: ShopServer) -> float:
    """How often another process has told the broker where to look."""
    page = httpx.get(f"{shop.url}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30).text
    return float(re.findall(r"^brokerweb_hints_received_total (\S+)$", page, re.M)[0])


def received(shop: ShopServer, n: int, *command: str) -> list[str]:
    """The keys of messages that come to who waits while the command runs, in which they were published."""
    before, keys = hints(shop), list[str]()
    placing = subprocess.Popen([sys.executable, *command], cwd=SHOP, env=shop.shop_environment())
    while len(keys) < n:
        messages = shop.call("POST", "/receive", wait=20, ack="none").json()["messages"]
        assert messages, keys
        keys += [message["key"] for message in messages]
    assert placing.wait(60) == 0
    assert hints(shop) > before
    return sorted(keys)


def test_an_order_and_its_message_commit_together(shop: ShopServer):
    for customer, total, status in (("ada", "12.50", 201), ("ada", "0", 400), ("grace", "1", 201)):
        answer = httpx.post(f"{shop.url}/orders", data={"customer": customer, "total": total}, timeout=30)
        assert answer.status_code == status
    messages = shop.call("POST", "/receive", wait=5, ack="none", max=10).json()["messages"]
    assert [message["key"] for message in messages] == ["ada", "grace"]


def test_a_commit_of_another_process_wakes_who_waits(shop: ShopServer):
    assert received(shop, 1, "manage.py", "place_order", "ada", "9.90") == ["ada"]


def test_a_server_that_forks_wakes_who_waits_from_each_process(shop: ShopServer):
    assert received(shop, 3, "-c", FORKED) == ["before", "child", "parent"]


def test_more_calls_at_once_than_the_pool_has_connections(shop: ShopServer):
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(shop.call, "POST", "/receive", wait=1, ack="none") for _ in range(10)]
        answers += [threads.submit(shop.call, "GET", path) for path in ("", "/messages") * 10]
        placed = [
            threads.submit(httpx.post, f"{shop.url}/orders", data={"customer": "ada", "total": "1"}, timeout=30)
            for _ in range(20)
        ]
        assert {answer.result().status_code for answer in answers} == {200}
        assert {answer.result().status_code for answer in placed} == {201}
