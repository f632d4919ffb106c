"""The PostgreSQL servers that tests use are there, are what they say, and leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests import postgres as servers
from tests.postgres import Postgres


def test_a_server_starts_and_says_which_it_is(postgres: Postgres) -> None:
    with postgres.connect() as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    assert int(row[0].split(".")[0]) == postgres.version >= 14


def test_the_wheels_is_the_newest(postgres_servers: servers.Servers) -> None:
    assert postgres_servers.get("wheel").version == 18


def test_databases_of_tests_have_nothing_in_common(postgres: Postgres) -> None:
    one, other = postgres.new_database(), postgres.new_database()
    with postgres.connect(one) as connection:
        connection.execute("CREATE TABLE here (n int)")
    with postgres.connect(other) as connection:
        assert connection.execute("SELECT to_regclass('here')").fetchone() == (None,)


def test_nobody_else_gets_at_it(postgres: Postgres) -> None:
    assert postgres.folder.stat().st_mode & 0o077 == 0
    with postgres.connect() as connection:
        assert connection.execute("SHOW listen_addresses").fetchone() == ("",)


def test_nothing_is_left_of_it() -> None:
    programs = servers.of_the_wheel()
    assert programs is not None
    with servers.started(programs) as server:
        assert server.process is not None
        pid, folder = server.process.pid, server.folder
        assert (folder / "data" / "postmaster.pid").read_text().split("\n")[0] == str(pid)
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_programs_that_only_root_can_reach_run_from_a_copy(tmp_path: Path) -> None:
    programs = servers.of_the_wheel()
    assert programs is not None
    package = programs.parent.parent
    for part in package.parent.glob(f"{package.name}*"):
        (tmp_path / part.name).symlink_to(part)
    tmp_path.chmod(0o700)
    with servers.started(tmp_path / programs.relative_to(package.parent)) as server, server.connect() as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
