"""System checks: their ids are stable, and each says what to do."""

from __future__ import annotations

import sys
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core.checks import CheckMessage, run_checks

from brokerweb import checks, conf
from brokerweb.cluster import nodes
from brokerweb.servers.lock import only_server
from brokerweb.storage import mark
from brokerweb.storage.driver import sqlite
from brokerweb.storage.files import Files
from brokerweb.storage.run import perform
from tests.queues.bench import Bench


@pytest.mark.parametrize(
    ("version", "sound"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 45, 0), False),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_which_sqlite_versions_have_the_fix(version: tuple[int, ...], sound: bool):
    assert checks.sqlite_is_sound(version) is sound


def ids() -> list[str | None]:
    conf.forget()
    return [message.id for message in run_checks() if (message.id or "").startswith("brokerweb.")]


def test_a_good_configuration_has_nothing_to_say():
    assert ids() == []


def test_e001_an_option_that_does_not_exist(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(settings, "BROKERWEB", {"dta": "/tmp"})
    assert ids() == ["brokerweb.E001"]
    assert "did you mean 'data'" in checks.check_options(None)[0].msg


@pytest.mark.parametrize("given", [{"bind": "everywhere"}, "not a dictionary"])
def test_e002_a_value_that_cannot_be_used(monkeypatch: pytest.MonkeyPatch, given: object):
    monkeypatch.setattr(settings, "BROKERWEB", given)
    assert ids() == ["brokerweb.E002"]


def test_e003_a_foreign_engine_with_an_affected_sqlite(monkeypatch: pytest.MonkeyPatch):
    database = SimpleNamespace(sqlite_version_info=(3, 40, 1))
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite", Database=database)})
    (message,) = checks.check_sqlite(None)
    assert message.id == "brokerweb.E003"
    assert "brokerweb.storage.django_sqlite" in (message.hint or "")


def test_w002_a_foreign_engine_with_a_sound_sqlite(monkeypatch: pytest.MonkeyPatch):
    database = SimpleNamespace(sqlite_version_info=(3, 51, 3))
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite", Database=database)})
    assert [message.id for message in checks.check_sqlite(None)] == ["brokerweb.W002"]


def test_e004_another_database(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="mysql")})
    assert [message.id for message in checks.check_sqlite(None)] == ["brokerweb.E004"]


def test_e004_says_what_one_can_do_meanwhile(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="mysql")})
    (message,) = checks.check_sqlite(None)
    assert "mysql" in message.msg
    assert "SQLite or PostgreSQL" in message.msg
    assert "beside the project" in (message.hint or "")
    assert "publish over REST" in (message.hint or "")


@pytest.mark.parametrize(("version", "found"), [(140_011, ["brokerweb.E003"]), (150_000, []), (180_006, [])])
def test_e003_a_postgresql_that_is_too_old(monkeypatch: pytest.MonkeyPatch, version: int, found: list[str]):
    connection = SimpleNamespace(vendor="postgresql", pg_version=version)
    monkeypatch.setattr(checks, "connections", {"default": connection})
    assert checks.check_sqlite(None) == []
    assert checks.check_postgresql(None) == []  # who may not connect is not asked
    assert [message.id for message in checks.check_postgresql(None, databases=["default"])] == found


class Unattended:
    """A database with a message that waits for a moment, and no broker."""

    def __init__(self, directory: Path, **waiting: int) -> None:
        self.files = Files(directory / "shop.sqlite3")
        with closing(sqlite.connect(self.files.database)) as connection, connection:
            connection.execute("CREATE TABLE brokerweb_queues_queuecount (queue_id, slot, scheduled, ready, leased)")
            values = [waiting.get(state, 0) for state in ("scheduled", "ready", "leased")]
            connection.execute("INSERT INTO brokerweb_queues_queuecount VALUES (1, 0, ?, ?, ?)", values)

    def warnings(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        named = {"NAME": self.files.database}
        connection = SimpleNamespace(vendor="sqlite", Database=sqlite, settings_dict=named)
        monkeypatch.setattr(checks, "connections", {"default": connection})
        found = checks.check_timers(None)
        assert {message.id for message in found} <= {"brokerweb.W005"}
        return [message.msg for message in found]


@pytest.mark.parametrize("waiting", [{"scheduled": 2}, {"leased": 2}, {"scheduled": 1, "leased": 1}])
def test_w003_messages_wait_for_a_moment_that_nobody_watches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting):
    database = Unattended(tmp_path, ready=7, **waiting)
    (message,) = database.warnings(monkeypatch)
    assert "2 messages that are delayed or leased wait until one does" in message
    with only_server(database.files):
        assert database.warnings(monkeypatch) == []
    assert len(database.warnings(monkeypatch)) == 1


def test_w003_is_not_said_where_nothing_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert Unattended(tmp_path, ready=7).warnings(monkeypatch) == []


def test_w003_is_not_said_to_whoever_is_about_to_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "argv", ["manage.py", "serve"])
    assert Unattended(tmp_path, scheduled=1).warnings(monkeypatch) == []


@pytest.mark.parametrize("content", [None, b"", b"no database" * 500])
def test_w003_needs_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None):
    database = Unattended(tmp_path)
    database.files.database.unlink()
    if content is not None:
        database.files.database.write_bytes(content)
    assert database.warnings(monkeypatch) == []


def test_w003_leaves_what_a_killed_broker_left_untouched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    database = Unattended(tmp_path, scheduled=1)
    mark.write(database.files.mark, mark.Mark(running=True, seen_at=1, boot="", logged=True), sync=False)
    database.files.log.write_bytes(b"of the last run")
    (message,) = database.warnings(monkeypatch)
    assert "did not end cleanly" in message
    assert database.files.log.read_bytes() == b"of the last run"


def test_w001_people_come_without_https(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("BROKERWEB_PUBLIC_URL", "http://broker.example")
    conf.forget()
    assert [message.id for message in checks.check_public_url(None)] == ["brokerweb.W001"]


def test_w005_of_a_cluster_is_told_to_those_who_may_connect(on_postgres: None):
    queue = Bench()
    queue.publish(1)
    assert unattended() == []
    queue.publish(2, delay=60)
    assert checks.check_timers_of_nodes(None) == []
    [message] = unattended()
    assert message.id == "brokerweb.W005"
    assert "1 message that is delayed" in message.msg
    perform(nodes.begin, "here", "n")
    assert unattended() == []
    perform(nodes.end, "here", "n")
    assert len(unattended()) == 1


def unattended() -> list[CheckMessage]:
    return checks.check_timers_of_nodes(None, databases=["default"])
