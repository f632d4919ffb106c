"""The example project on PostgreSQL, in which most Django teams store: as it comes, with Django's pool, and behind PgBouncer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from tests import pgbouncer
from tests.postgres import Postgres, Servers
from tests.server import ROOT, inherited, python_path
from tests.shop import SHOP, with_settings

SETTINGS = """
SILENCED_SYSTEM_CHECKS = ["brokerweb.E004"]
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
    run_tests(tmp_path, project(tmp_path, server, OPTIONS={"pool": True}), "tests.projects.team.Committed")


def test_behind_pgbouncer(tmp_path: Path, postgres_servers: Servers):
    server = postgres_servers.get("wheel")
    with pgbouncer.before(server) as pooler:
        through = {"HOST": str(pooler), "PORT": pgbouncer.PORT, "DISABLE_SERVER_SIDE_CURSORS": True}
        run_tests(tmp_path, project(tmp_path, server, **through), "tests.projects.team.Committed")
