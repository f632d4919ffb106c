"""A team's tests, on what teams test on: SQLite in memory by brokerweb's engine and by Django's own, PostgreSQL; side by side."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import Servers
from tests.server import ROOT, inherited, python_path
from tests.shop import SHOP, with_settings

pytestmark = pytest.mark.long

IN_MEMORY = 'DATABASES["default"]["NAME"] = BASE_DIR / "never-made.sqlite3"\n'
STOCK = (
    f'{IN_MEMORY}DATABASES["default"]["ENGINE"] = "django.db.backends.sqlite3"\n'
    'SILENCED_SYSTEM_CHECKS = ["brokerweb.E003", "brokerweb.W002"]\n'
)
DECLARED = 'BROKERWEB = {"queues": {"billing": {}}}\n'
DJANGO = (str(SHOP / "manage.py"), "test", "--noinput", "tests.testing.team")
WITHOUT = ("-p", "no:cacheprovider", "-p", "no:schemathesis")
PYTEST = ("-m", "pytest", "-q", *WITHOUT, "--rootdir", "{here}", "-c", "/dev/null", "--pyargs", "tests.testing.team")


def run(directory: Path, settings: str, *command: str, passes: int) -> None:
    environment = with_settings(directory, settings)
    given = inherited() | environment | {"PYTHONPATH": python_path(ROOT, SHOP, directory), "SHOP_DATA": str(directory)}
    words = [word.format(here=directory) for word in command]
    done = subprocess.run([sys.executable, *words], cwd=directory, env=given, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    ran = re.search(r"Ran (\d+) tests|\b(\d+) passed", done.stdout + done.stderr)
    assert ran is not None, done.stdout + done.stderr
    assert int(ran[1] or ran[2]) >= passes


@pytest.mark.parametrize("declared", [DECLARED, ""], ids=["declared", "not declared"])
def test_by_djangos_runner_side_by_side_in_memory(declared: str, tmp_path: Path):
    run(tmp_path, IN_MEMORY + declared, *DJANGO, "--parallel", "2", passes=6)


def test_by_djangos_runner_on_djangos_own_sqlite(tmp_path: Path):
    run(tmp_path, STOCK + DECLARED, *DJANGO, passes=6)


def test_by_pytest_side_by_side_in_memory(tmp_path: Path):
    run(tmp_path, IN_MEMORY + DECLARED, *PYTEST, "-n", "2", "--nomigrations", passes=8)


def test_the_fixture_alone_has_a_database_of_the_tests(tmp_path: Path):
    """And not the project's own, where no other test of the session asks for one."""
    run(tmp_path, IN_MEMORY + DECLARED, *PYTEST[:-1], "tests.testing.team::test_by_pytest", passes=1)
    assert not [path.name for path in tmp_path.rglob("*.sqlite3")]


def test_on_postgresql(tmp_path: Path, postgres_servers: Servers):
    server = postgres_servers.get("wheel")
    database = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": server.new_database(),
        "HOST": str(server.folder),
        "USER": "tests",
    }
    run(tmp_path, f'DATABASES["default"] = {database}\n' + DECLARED, *PYTEST, "tests.testing.test_consumers", passes=24)
