"""The example project: its orders and their messages commit together, also from another process, or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.server import TOKEN
from tests.shop import PASSWORD, SHOP, ShopServer, sign_in, with_console

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShopServer]:
    data = tmp_path_factory.mktemp("shop") / "data"
    data.mkdir()
    server = ShopServer(data)
    with server:
        server.start()
        assert server.call("PUT", "").status_code == 201
        yield server


def test_an_order_and_its_message_commit_together(shop: ShopServer):
    answer = httpx.post(f"{shop.url}/orders", data={"customer": "ada", "total": "12.50"}, timeout=30)
    assert answer.status_code == 201

    (message,) = shop.call("POST", "/receive", wait=5, ack="none").json()["messages"]

    assert message["body"] == {"order": answer.json()["order"], "total": "12.50"}
    assert message["key"] == "ada"


def test_an_order_that_rolls_back_leaves_no_message(shop: ShopServer):
    answer = httpx.post(f"{shop.url}/orders", data={"customer": "ada", "total": "0"}, timeout=30)

    assert answer.status_code == 400
    assert shop.waiting() == 0


def test_a_commit_of_another_process_wakes_a_waiting_consumer(shop: ShopServer):
    with httpx.Client(timeout=30) as client:
        placing = subprocess.Popen(
            [sys.executable, "manage.py", "place_order", "grace", "9.90"], cwd=SHOP, env=shop.shop_environment()
        )
        answer = client.post(
            f"{shop.url}/api/v1/queues/billing/receive",
            headers={"Authorization": f"Bearer {TOKEN}"},
            json={"wait": 20, "ack": "none"},
        )
    assert placing.wait(60) == 0
    (message,) = answer.json()["messages"]
    assert message["key"] == "grace"


def test_a_rollback_in_another_process_leaves_no_message(shop: ShopServer):
    placed = shop.command("place_order", "grace", "0")

    assert placed.returncode == 1
    assert "an order costs something" in placed.stderr
    assert shop.waiting() == 0


def test_the_project_passes_its_system_checks_and_has_no_missing_migrations(shop: ShopServer, tmp_path: Path):
    for arguments in (["check"], ["makemigrations", "--check", "--dry-run"]):
        done = shop.command(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_second_server_on_the_shops_database_is_refused(shop: ShopServer):
    done = shop.command("serve", "--bind", "127.0.0.1:0")

    assert done.returncode == 1
    assert f"another server (process {shop.process and shop.process.pid}) uses {shop.data / 'shop.sqlite3'};" in done.stderr


@pytest.mark.parametrize("flag", [True, False], ids=["flag", "variable"])
def test_a_data_directory_does_not_move_the_shops_database_and_is_refused(shop: ShopServer, tmp_path: Path, flag: bool):
    given = ["--data", str(tmp_path)] if flag else []
    shop.environment |= {} if flag else {"BROKERWEB_DATA": str(tmp_path)}
    try:
        done = shop.command("serve", "--bind", "127.0.0.1:0", *given)
    finally:
        shop.environment.pop("BROKERWEB_DATA", None)

    assert done.returncode == 1
    assert f"{tmp_path} does not move the database" in done.stderr
    assert str(shop.data / "shop.sqlite3") in done.stderr


def test_the_shop_is_told_where_its_database_is_and_of_no_page_it_does_not_have(shop: ShopServer):
    log = shop.log.read_text()

    assert f"database {shop.data / 'shop.sqlite3'})" in log
    assert "code=" not in log
    assert shop.command("signin", "nobody").returncode == 1


def test_check_says_that_delayed_messages_wait_while_no_broker_runs(tmp_path: Path):
    (tmp_path / "data").mkdir()
    shop = ShopServer(tmp_path / "data")
    assert shop.command("migrate").returncode == 0
    assert "W005" not in shop.command("check").stderr
    delayed = "from brokerweb.queues import control, publish; from brokerweb.storage.run import perform\n"
    delayed += "perform(control.declare, 'billing', {}); publish('billing', {}, delay=1)"
    done = shop.command("shell", "-c", delayed)
    assert done.returncode == 0, done.stderr

    said = shop.command("check")

    assert (said.returncode, "brokerweb.W005" in said.stderr) == (0, True), said.stderr
    assert "manage.py serve" in said.stderr
    with shop:
        assert "W005" not in shop.start().log.read_text()
        assert "W005" not in shop.command("check").stderr


def test_the_console_comes_with_the_settings_the_readme_names(tmp_path: Path):
    data = tmp_path / "data"
    data.mkdir()
    password = {"BROKERWEB_ADMIN_PASSWORD": PASSWORD}
    with ShopServer(data, environment=with_console(tmp_path) | password) as server, httpx.Client(timeout=30) as client:
        server.start()
        sign_in(client, server.url)
        assert "<html" in client.get(f"{server.url}/queues").text
        assert "<html" not in client.get(f"{server.url}/queues", headers={"HX-Request": "true"}).text
        assert client.get(f"{server.url}/static/brokerweb_console/console.css").status_code == 200
