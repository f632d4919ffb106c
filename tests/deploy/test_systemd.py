"""The unit of ``deploy/systemd``."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from brokerweb import broker
from brokerweb.servers import lifecycle
from tests.deploy.options import VARIABLES, parsed
from tests.server import ROOT

UNIT = ROOT / "deploy" / "systemd" / "brokerweb.service"


@pytest.fixture(scope="module")
def service() -> configparser.SectionProxy:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names as they are written
    unit.read_string(UNIT.read_text())
    return unit["Service"]


def environment(service: configparser.SectionProxy) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in service["Environment"].split())


def test_it_starts_what_there_is(service: configparser.SectionProxy):
    *_, module, command = service["ExecStart"].split()
    assert module == "django"
    assert command in get_commands()
    given = environment(service)
    assert given.pop("DJANGO_SETTINGS_MODULE") == "brokerweb.settings"
    assert given.keys() <= VARIABLES
    assert str(parsed(given).data) == f"/var/lib/{service['StateDirectory']}"
    assert service["Type"] == "exec"  # it tells systemd nothing: /readyz says when it is ready


def test_it_ends_with_a_drain(service: configparser.SectionProxy):
    assert (service["KillSignal"], service["KillMode"]) == ("SIGTERM", "mixed")
    assert int(service["TimeoutStopSec"]) > 2 * (broker.GOODBYE + lifecycle.GRACE)


def test_systemd_has_nothing_to_say_where_it_is_there(tmp_path: Path):
    if (verify := shutil.which("systemd-analyze")) is None:
        return
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/brokerweb/bin/python", sys.executable))
    done = subprocess.run([verify, "verify", "--man=no", unit], capture_output=True, text=True, timeout=60)
    assert [line for line in done.stderr.splitlines() if UNIT.name in line] == []
