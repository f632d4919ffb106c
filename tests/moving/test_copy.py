"""A broker's database, moved."""

from __future__ import annotations

import io
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from brokerweb.cluster.models import Node, Secret
from brokerweb.identity.models import Token
from brokerweb.moving import instants, rows, sides
from brokerweb.moving.addresses import BadAddress, parse
from brokerweb.moving.sides import SOURCE
from brokerweb.moving.tables import tables
from brokerweb.queues import engine, leasing
from brokerweb.queues.messages import NewMessage, Settle, receipt_text
from brokerweb.queues.models import Message
from brokerweb.queues.states import State
from brokerweb.servers.lock import only_server
from brokerweb.storage.driver import sqlite
from brokerweb.storage.files import Files
from brokerweb.storage.transaction import transaction
from tests.moving.shop import LOOKED_AT, contents, opened, without_clock
from tests.server import ROOT, inherited


def copy(source: str, target: str) -> str:
    said = io.StringIO()
    call_command("copy", source, target, stdout=said)
    return said.getvalue()


def refusal(source: str, target: str) -> CommandError:
    with pytest.raises(CommandError) as refused:
        copy(source, target)
    return refused.value


# All of it


def test_what_is_copied_there_and_back_is_the_same(shop: str, empty: str, file: str):
    before = contents(shop)
    assert "Copied and compared" in copy(shop, empty)
    assert "Copied and compared" in copy(empty, file)
    assert contents(shop) == before
    (was, was_at), (there, there_at), (back, back_at) = (without_clock(contents(address)) for address in (shop, empty, file))
    assert _like(there) == _like(was)
    assert _like(back) == _like(was)
    assert sum(bool(found) for found in was.values()) > 30
    for later in (there_at, back_at):
        moved = {after - at for after, at in zip(sorted(later["others"]), sorted(was_at["others"]), strict=True)}
        assert len(moved) == 1, "what lasts goes on for as long as it had left"
        stood = {after - at for after, at in zip(sorted(later["leases"]), sorted(was_at["leases"]), strict=True)}
        assert len(stood) == 1
        assert stood.pop() >= moved.pop(), "a lease does not run while no broker does"


def _like(found: dict[str, list[list[object]]]) -> dict[str, list[list[object]]]:
    """Without what is written in another way on another database: texts within which instants are."""
    apart = {"brokerweb_queues_transfer": "before"}
    by_name = {table.name: table for table in tables()}
    for name, column in apart.items():
        for row in found[name]:
            row[by_name[name].place[column]] = "as it stood"
    return {name: sorted(rows, key=repr) for name, rows in found.items()}


def test_every_table_of_the_broker_is_copied_but_those_of_running_nodes(shop: str):
    copied = {table.name for table in tables()}
    with opened(shop) as connection:
        there = set(connection.introspection.table_names())
    assert {name for name in there - copied if not name.startswith("brokerweb_cluster_")} == {"django_migrations"}


def test_those_that_are_referred_to_come_first():
    seen: set[object] = set()
    for table in tables():
        seen.add(table.model)
        refers = {field.remote_field.model for field in table.model._meta.concrete_fields if field.remote_field}
        assert refers <= seen, table.name


# It works


@pytest.fixture(params=["file", "empty"])
def moved(request: pytest.FixtureRequest, shop: str) -> str:
    """A copy, with which a broker could go on."""
    target: str = request.getfixturevalue(request.param)
    copy(shop, target)
    return target


def test_a_message_published_in_the_copy_has_a_number_that_was_never_given(shop: str, moved: str):
    with opened(shop) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = 'brokerweb_queues_message'")
        [given] = cursor.fetchone()
        assert not Message.objects.using(LOOKED_AT).filter(pk=given).exists(), "the last one was acknowledged, and is not there"
    with opened(moved), transaction(LOOKED_AT) as tx:
        [accepted] = engine.publish(tx, "orders", [NewMessage(b"1")], publisher="shop")
    assert accepted.id > given


def test_a_lease_goes_on_and_its_receipt_counts(moved: str):
    with opened(moved):
        leased = Message.objects.using(LOOKED_AT).filter(state=State.LEASED).first()
        assert leased is not None
        receipt = receipt_text(leased.queue_id, leased.pk, leased.attempts)
        with transaction(LOOKED_AT) as tx:
            [answer] = engine.settle(tx, [Settle("ack", receipt)])
        assert answer.status == "ok"
        with transaction(LOOKED_AT) as tx:
            [again] = engine.settle(tx, [Settle("ack", receipt)])
        assert again.status == "lease_lost"
        with transaction(LOOKED_AT) as tx:
            assert leasing.lease(tx, "told", 10, leasing.Terms("w")).messages


def test_people_stay_signed_in(shop: str, empty: str, tmp_path: Path):
    before, after = tmp_path / "before", tmp_path / "after"
    for data, key in ((before, "k" * 50), (after, "other" * 10)):
        data.mkdir()
        (data / "secret.key").write_text(key)
    (tmp_path / "shop.sqlite3").rename(before / "brokerweb.sqlite3")
    copy(f"sqlite:{before}", empty)
    with opened(empty):
        assert Secret.objects.using(LOOKED_AT).get(name="key").value == "k" * 50
    copy(empty, f"sqlite:{after}")
    assert (after / "secret.key").read_text() == "k" * 50
    assert (after / "secret.key").stat().st_mode & 0o077 == 0


# In the middle


KILLED = """
import os, signal, sys
import django
django.setup()
from django.core.management import call_command
from brokerweb.moving import progress, rows
rows.MOST = rows.FIRST = 20
note, left = progress.note, [int(sys.argv[3])]
def noting(*given):
    note(*given)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
progress.note = noting
call_command("copy", *sys.argv[1:3])
"""


def killed(source: str, target: str, after: int) -> None:
    """A copy that is killed before a batch is committed."""
    environment = {**inherited(), "DJANGO_SETTINGS_MODULE": "tests.settings"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED, source, target, str(after)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_one_that_was_killed_goes_on_where_it_was(shop: str, empty: str):
    killed(shop, empty, 8)  # in the middle of a table
    killed(shop, empty, 50)
    said = copy(shop, empty)
    assert "Going on" in said
    assert "Copied and compared" in said
    (was, _), (there, _) = (without_clock(contents(address)) for address in (shop, empty))
    assert _like(there) == _like(was)


def test_a_half_is_not_served_and_goes_on_from_its_own_source_alone(shop: str, file: str, tmp_path: Path):
    killed(shop, file, 20)
    environment = {**inherited(), "DJANGO_SETTINGS_MODULE": "brokerweb.settings", "BROKERWEB_DATA": str(tmp_path / "data")}
    (tmp_path / "data").mkdir()
    for ending in ("", "-wal"):
        shutil.copy(tmp_path / f"copy.sqlite3{ending}", tmp_path / "data" / f"brokerweb.sqlite3{ending}")
    served = subprocess.run(
        [sys.executable, "manage.py", "serve", "--bind", "127.0.0.1:0"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert served.returncode == 1
    assert "`copy`" in served.stderr
    other = shutil.copy(tmp_path / "shop.sqlite3", tmp_path / "other.sqlite3")
    assert "holds a part of" in str(refusal(f"sqlite:{other}", file))


def test_a_source_that_changed_between_two_runs_is_noticed(shop: str, empty: str):
    killed(shop, empty, 60)
    with opened(shop):
        assert Token.objects.using(LOOKED_AT).update(name="another")
    error = refusal(shop, empty)
    assert error.returncode == 3
    assert "brokerweb_identity_token: the source has changed" in str(error)


def test_a_target_that_is_not_what_was_written_is_noticed(shop: str, empty: str, monkeypatch: pytest.MonkeyPatch):
    store = rows.store

    def lossy(connection, table, batch):
        store(connection, table, batch[1:] if table.name == "brokerweb_queues_content" else batch)

    monkeypatch.setattr(rows, "store", lossy)
    error = refusal(shop, empty)
    assert error.returncode == 3
    assert "brokerweb_queues_content: the target does not hold" in str(error)


# Refusals


def test_a_target_that_is_not_empty_is_refused(shop: str, empty: str):
    copy(shop, empty)
    before = contents(empty)
    error = refusal(shop, empty)
    assert error.returncode == 1
    assert "is not empty" in str(error)
    assert contents(empty) == before


def test_a_source_that_is_served_is_refused(shop: str, empty: str):
    with only_server(Files(Path(shop.removeprefix("sqlite:")))):
        assert "another server" in str(refusal(shop, empty))


def test_a_database_to_which_another_copy_is_under_way_is_refused(shop: str, empty: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sides, "PATIENCE", "10ms")
    with opened(empty), connections[LOOKED_AT].cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [sides.ONE_COPY])
        assert "another copy is under way" in str(refusal(shop, empty))
        cursor.execute("SELECT pg_advisory_unlock(%s)", [sides.ONE_COPY])
        copy(shop, empty)
        cursor.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = %s", [sides.ONE_COPY])
        assert cursor.fetchone() == (0,)


def test_a_database_on_which_a_node_lives_is_refused(shop: str, empty: str, file: str, monkeypatch: pytest.MonkeyPatch):
    copy(shop, empty)
    beating = True

    def beat(_: float) -> None:
        if beating:
            Node.objects.using(SOURCE).filter(name="node").update(seen_at=instants.now(connections[SOURCE]))

    monkeypatch.setattr(sides, "SILENT", 0.5)
    monkeypatch.setattr(sides, "time", SimpleNamespace(sleep=beat, monotonic=time.monotonic))
    with opened(empty) as connection:
        at = instants.now(connection) + 60_000_000
        Node.objects.using(LOOKED_AT).create(name="node", presence="here", started_at=at, seen_at=at)
    assert "a broker serves" in str(refusal(empty, file))
    beating = False
    assert "Copied and compared" in copy(empty, file), "it has been killed"


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, empty: str):
    assert "no such file" in str(refusal(f"sqlite:{tmp_path / 'absent.sqlite3'}", empty))
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_broker_s_database_is_refused(tmp_path: Path, empty: str):
    with closing(sqlite.connect(tmp_path / "other.sqlite3")) as other:
        other.execute("CREATE TABLE t (n)")
    assert "is no broker's database" in str(refusal(f"sqlite:{tmp_path / 'other.sqlite3'}", empty))


def test_a_database_is_not_copied_into_itself(shop: str):
    assert "the same database" in str(refusal(shop, shop))


@pytest.mark.parametrize("address", ["data", "mysql://h/d", "postgresql://h", "postgresql://u:s3cret@h/d?nonsense=1", "sqlite:"])
def test_an_address_that_is_none_is_refused_without_its_password(address: str, file: str):
    error = refusal(address, file)
    assert error.returncode == 2
    assert "s3cret" not in str(error)


def test_paths_are_read_as_they_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    named = str(tmp_path / "data" / "brokerweb.sqlite3")
    for text in (
        "sqlite:data",
        f"sqlite:{tmp_path}/data",
        f"sqlite://{tmp_path}/data",
        f"sqlite:///{tmp_path}/data",
        f"sqlite:{named}",
    ):
        assert parse(text).settings["NAME"] == named
    with pytest.raises(BadAddress):
        parse("postgres")
