"""``manage.py serve`` on PostgreSQL as an operator meets it."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tests.eventually import eventually
from tests.postgres import Postgres, Servers, of_the_wheel, started
from tests.server import Server
from tests.test_serve import GENERATED, manage_with


@pytest.fixture
def store(postgres_servers: Servers) -> Postgres:
    return postgres_servers.get("wheel")


def test_the_first_start_prints_secrets_once_and_the_next_finds_everything_in_place(postgres: Postgres, tmp_path: Path):
    with Server(tmp_path / "data", environment=GENERATED, empty=True, postgres=postgres) as server:
        server.start()
        first = server.log.read_text()
        token = re.search(r"bw_\S+", first)
        assert token is not None
        assert re.search(rf" on {server.url} \(uvicorn, PostgreSQL {postgres.version}\.\d+, database tests_\w+ on this", first)
        assert re.search(rf"{re.escape(server.url)}/sign-in\?code=\S+", first)
        headers = {"Authorization": f"Bearer {token[0]}"}
        assert httpx.put(f"{server.url}/api/v1/queues/orders", json={}, headers=headers).status_code == 201
        assert server.terminate() == 0
        assert not server.data.exists()

        server.start()
        second = server.log.read_text().removeprefix(first)
        assert "code=" not in second
        assert "bw_" not in second
        assert httpx.get(f"{server.url}/api/v1/queues/orders", headers=headers).status_code == 200


def test_nodes_that_start_at_once_prepare_it_once_and_have_one_secret_key(store: Postgres, tmp_path: Path):
    environment = {"DATABASE_URL": store.url(store.new_database())}
    with (
        Server(tmp_path / "one", postgres=store, environment=environment) as one,
        Server(tmp_path / "two", postgres=store, environment=environment, kind="daphne") as two,
    ):
        one.start(ready=False)
        two.start()
        one.wait_ready()
        assert "Traceback" not in one.log_tail() + two.log_tail()
        with httpx.Client() as person:
            form = {"username": "admin", "password": "password-of-the-real-server-tests"}
            person.get(f"{one.url}/sign-in")
            form["csrfmiddlewaretoken"] = person.cookies["brokerweb_csrf"]
            assert person.post(f"{one.url}/sign-in", data=form, headers={"Referer": one.url}).status_code == 302
            for node in (one, two):  # cookies know no ports
                assert person.get(f"{node.url}/queues").status_code == 200
        link = manage_with(environment, "signin", "--bind", f"127.0.0.1:{two.port}").stdout.strip()
        assert httpx.get(link).status_code == 200
        assert manage_with(environment, "signin").stdout.startswith((f"{one.url}/sign-in?", f"{two.url}/sign-in?"))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://tests:lovelace@/nothing_here?host={folder}", "does not exist"),
        ("postgresql://tests:lovelace@/tests?host={folder}&sslmod=require", "libpq does not know"),
        ("mysql://tests:lovelace@db.example/tests", "stores in PostgreSQL"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line_without_the_password(store: Postgres, url: str, words: str):
    done = manage_with({"DATABASE_URL": url.format(folder=store.folder)}, "serve", "--bind", "127.0.0.1:0")
    assert done.returncode == 1
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "lovelace" not in done.stderr + done.stdout


def test_it_waits_for_a_server_that_is_started_with_it(tmp_path: Path):
    programs = of_the_wheel()
    assert programs is not None
    with started(programs) as late:
        database = late.url(late.new_database())
        late.stop()
        with Server(tmp_path / "data", environment={"DATABASE_URL": database}, postgres=late) as server:
            server.start(ready=False)
            eventually(lambda: "Waiting up to 60 seconds for the database" in server.log_tail(), 30)
            late.run()
            server.wait_ready()


def test_of_several_hosts_it_takes_the_one_that_is_there(store: Postgres, tmp_path: Path):
    host = f"/nothing/here,{store.folder}"
    url = f"postgresql://tests@/{store.new_database()}?host={host}"
    with Server(tmp_path / "data", environment={"DATABASE_URL": url}, postgres=store) as server:
        assert server.start().readiness() == 200


def test_a_deployment_behind_tls_passes_djangos_checks(store: Postgres):
    environment = {
        "DATABASE_URL": store.url(store.new_database()),
        "BROKERWEB_PUBLIC_URL": "https://broker.example",
        "BROKERWEB_SECRET_KEY": "of these tests alone, and as long as a key has to be: 0123456789",
    }
    done = manage_with(environment, "check", "--deploy", "--fail-level", "WARNING", "--database", "default")
    assert done.returncode == 0, done.stderr
