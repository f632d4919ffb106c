"""The fixtures in projects of all kinds: unused they cost nothing, and where they cannot work they say why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from brokerweb.testing import LiveBroker
from tests.server import inherited

UNUSED = """
import sys

def test_nothing_is_imported():
    loaded = {name for name in sys.modules if name.split(".")[0] in ("django", "brokerweb", "msgspec", "psycopg")}
    assert loaded == {"brokerweb", "brokerweb.testing", "brokerweb.testing.plugin"}
"""
WITHOUT_DJANGO = """
def test_it(broker):
    pass
"""
PLAIN = """
import pytest

@pytest.mark.django_db
def test_rows():
    from django.contrib.auth.models import Group

    assert not Group.objects.exists()
"""
SETTINGS = """
SECRET_KEY = "of a test"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
"""


def run(folder: Path, *options: str, **files: str) -> subprocess.CompletedProcess[str]:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", *options]
    return subprocess.run(command, cwd=folder, env=inherited(), capture_output=True, text=True, timeout=120)


def test_unused_it_costs_no_import(tmp_path: Path):
    done = run(tmp_path, "-p", "no:django", "-p", "no:hypothesispytest", test_unused=UNUSED)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_pytest_django_the_fixture_says_what_it_needs(tmp_path: Path):
    done = run(tmp_path, "-p", "no:django", test_it=WITHOUT_DJANGO)
    assert "The fixture broker needs pytest-django" in done.stdout, done.stdout + done.stderr


def test_in_a_project_without_brokerweb_nothing_is_disturbed_and_the_fixture_says_what_it_needs(tmp_path: Path):
    done = run(tmp_path, "--ds", "settings_of_it", settings_of_it=SETTINGS, test_plain=PLAIN, test_it=WITHOUT_DJANGO)
    assert "1 passed, 1 error" in done.stdout, done.stdout + done.stderr
    assert "needs brokerweb's apps in INSTALLED_APPS" in done.stdout


def test_a_live_broker_is_there_for_programs(live_broker: LiveBroker):
    with httpx.Client(base_url=f"{live_broker.url}/api/v1", headers=live_broker.headers, timeout=30) as client:
        assert client.put("/queues/live", json={}).status_code == 201
    command = [sys.executable, "-m", "brokerweb", "publish", "live", "1"]
    environment = inherited() | live_broker.environment
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, "1"), done.stderr
    assert live_broker.websocket_url.startswith("ws://127.0.0.1:")


def test_one_that_cannot_start_says_why():
    with pytest.raises(RuntimeError, match="BROKERWEB_SERVER"), LiveBroker({"BROKERWEB_SERVER": "nonesuch"}):
        pass
