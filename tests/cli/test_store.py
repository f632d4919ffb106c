"""Commands that open the store: where the data directory is, with a broker on it and without."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.clients import Rest
from tests.server import ROOT, Server, inherited


def brokerweb(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, with nothing but the data directory to go by."""
    environment = {**inherited(), "BROKERWEB_DATA": str(data)}
    command = [sys.executable, "-m", "brokerweb", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def told(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_data_directory_is_enough_to_find_its_broker_and_a_backup_is_what_was_there(tmp_path: Path):
    data, copy = tmp_path / "data", tmp_path / "copy.sqlite3"
    with Server(data) as server:
        server.start()
        told(brokerweb(data, "queue", "create", "orders"))
        assert (data / "cli.token").stat().st_mode & 0o777 == 0o600
        [first] = told(brokerweb(data, "publish", "orders", '"before"')).split()
        told(brokerweb(data, "backup", str(copy)))
        assert copy.stat().st_mode & 0o777 == 0o600
        again = brokerweb(data, "backup", str(copy))
        assert (again.returncode, "--force" in again.stderr) == (1, True)
        [second] = told(brokerweb(data, "publish", "orders", '"after"')).split()

        refused = brokerweb(data, "restore", str(copy), "--yes")
        assert (refused.returncode, "stop it first" in refused.stderr) == (1, True)
        findings = {
            finding["check"]: finding["state"] for finding in json.loads(told(brokerweb(data, "doctor", "--deep", "--json")))
        }
        assert (findings["broker"], findings["integrity"], findings["SQLite"]) == ("ok", "ok", "ok")
        assert server.terminate() == 0

        told(brokerweb(data, "restore", str(copy), "--yes"))
        assert [path.name for path in data.glob("*.before-*") if path.suffix != ".mark"]
        server.start()
        assert told(brokerweb(data, "consume", "orders", "--once")).splitlines() == ['"before"']
        [third] = told(brokerweb(data, "publish", "orders", "3")).split()
        assert int(first) < int(second) < int(third), "an id that was given since the backup is given to nobody else"


def test_what_is_no_backup_is_refused_and_nothing_is_touched(tmp_path: Path):
    data, wrong = tmp_path / "data", tmp_path / "wrong"
    with Server(data) as server:
        assert server.start().terminate() == 0
    before = (data / "brokerweb.sqlite3").read_bytes()
    wrong.write_bytes(b"no database" * 1000)
    for file in (wrong, tmp_path / "absent"):
        assert brokerweb(data, "restore", str(file), "--yes").returncode in (1, 5)
    assert (data / "brokerweb.sqlite3").read_bytes() == before


def test_a_store_that_cannot_be_read_any_more_is_what_a_backup_is_for(tmp_path: Path):
    data, copy = tmp_path / "data", tmp_path / "copy.sqlite3"
    with Server(data) as server:
        server.start()
        told(brokerweb(data, "queue", "create", "orders"))
        told(brokerweb(data, "publish", "orders", '"kept"'))
        told(brokerweb(data, "backup", str(copy)))
        assert server.terminate() == 0
        assert not (data / "brokerweb.sqlite3-wal").exists(), "an end that is none of a crash leaves one file"
        (data / "brokerweb.sqlite3").write_bytes(b"nothing of a database" * 1000)
        done = brokerweb(data, "restore", str(copy), "--yes")
        assert (done.returncode, "given again" in done.stderr) == (0, True)
        assert (data / "brokerweb.sqlite3").stat().st_mode & 0o777 == 0o600
        assert not list(data.glob("*.part*"))
        server.start()
        assert told(brokerweb(data, "consume", "orders", "--once")).splitlines() == ['"kept"']


def test_a_token_of_the_directory_that_was_revoked_is_made_anew(tmp_path: Path):
    data = tmp_path / "data"
    with Server(data) as server:
        server.start()
        told(brokerweb(data, "queue", "create", "orders"))
        before = (data / "cli.token").read_text()
        [own] = [token for token in server.rest().call("GET", "/tokens")["items"] if token["name"].startswith("command line")]
        server.rest().call("DELETE", f"/tokens/{own['id']}")
        assert "orders" in told(brokerweb(data, "queue", "list"))
        assert (data / "cli.token").read_text() != before


def test_a_token_is_made_where_no_broker_answers(tmp_path: Path):
    data = tmp_path / "data"
    with Server(data, environment={"BROKERWEB_PUBLIC_URL": "https://nowhere.invalid"}) as server:
        server.start()
        told(brokerweb(data, "queue", "create", "orders"))  # by where it listens, and not by where people come
        lock = data / "lock"
        process, url, _ = lock.read_text().split("\n")
        lock.write_text(f"{process}\n{url}\nhttp://127.0.0.1:9")  # as in another container, where this address is nobody's
        assert brokerweb(data, "queue", "list").returncode == 3
        made = json.loads(told(brokerweb(data, "token", "create", "elsewhere", "--grant", "queue:*=browse", "--json")))
        assert made["expires_at"] is None, "it does not end with the directory's own"
        with Rest(server.url, made["token"]) as rest:
            assert rest.queue("orders")["name"] == "orders"
        refused = brokerweb(data, "token", "create", "elsewhere", "--grant", "queue:*=fly")
        assert (refused.returncode, "/grants/0" in refused.stderr) == (1, True), refused.stderr
        assert server.terminate() == 0
    assert told(brokerweb(data, "token", "create", "later", "--admin")).startswith("bw_")


def test_the_doctor_says_what_is_wrong_and_what_to_do(tmp_path: Path):
    data = tmp_path / "data"
    with Server(data) as server:
        assert server.start().terminate() == 0
    (data / "secret.key").chmod(0o644)
    done = brokerweb(data, "doctor", "--json")
    found = {finding["check"]: finding for finding in json.loads(done.stdout)}
    assert done.returncode == 1
    assert "chmod" in found["rights"]["detail"]
    assert found["broker"]["state"] == "note"
    database = data / "brokerweb.sqlite3"
    database.write_bytes(database.read_bytes()[:40_000])
    assert brokerweb(data, "doctor", "--deep").returncode == 1


def test_without_a_server_ever_nothing_is_made(tmp_path: Path):
    data = tmp_path / "data"
    assert "no server has run" in brokerweb(data, "doctor").stdout
    assert brokerweb(data, "backup", str(tmp_path / "copy")).returncode == 5
    assert brokerweb(data, "queue", "list", "--url", "http://127.0.0.1:9").returncode == 3
    assert not data.exists()


def test_serve_and_signin_are_the_same_by_this_name(tmp_path: Path):
    data = tmp_path / "data"
    assert "--public-url" in told(brokerweb(data, "serve", "--help"))
    assert brokerweb(data, "signin").returncode != 0
    assert not data.exists()
    assert told(brokerweb(data, "--version")).startswith("brokerweb ")
