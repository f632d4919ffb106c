"""The example project on PostgreSQL, in which most Django teams store: as it comes, with Django's pool, and behind PgBouncer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgres import Servers
from tests.server import ROOT, inherited, python_path
from tests.shop import SHOP, with_settings

DATABASE = """
SILENCED_SYSTEM_CHECKS = ["brokerweb.E004"]
DATABASES = {{
    "default": {{
        "ENGINE": "django.db.backends.postgresql", "NAME": "{name}", "HOST": "{host}", "USER": "tests", "OPTIONS": {options}
    }}
}}
"""
WAYS = {"as it comes": "{}", "with Django's pool": '{"pool": True}'}


@pytest.mark.parametrize("options", WAYS.values(), ids=WAYS)
def test_a_team_on_postgresql(options: str, tmp_path: Path, postgres_servers: Servers):
    server = postgres_servers.get("wheel")
    settings = DATABASE.format(name=server.new_database(), host=server.folder, options=options)
    given = inherited() | with_settings(tmp_path, settings) | {"PYTHONPATH": python_path(ROOT, SHOP, tmp_path)}

    done = subprocess.run(
        [sys.executable, str(SHOP / "manage.py"), "test", "--noinput", "tests.projects.team"],
        cwd=tmp_path,
        env=given,
        capture_output=True,
        text=True,
        timeout=200,
    )

    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    assert "Ran 13 tests" in done.stderr, done.stderr
