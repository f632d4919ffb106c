"""What CI runs on a bare machine: the check itself, after installing each program that a test calls."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.server import ROOT

NEEDED = ("git", "curl", "gcc", "chromium", "postgresql", "pgbouncer")


def test_a_bare_machine_gets_every_program_that_the_tests_call(tmp_path: Path) -> None:
    for name in ("sh", "dirname", "id"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    (tmp_path / "python3").symlink_to(sys.executable)
    log = tmp_path / "log"
    for name in ("apt-get", "make"):
        (tmp_path / name).write_text(f'#!{tmp_path}/sh\necho "{name} $*" >> "{log}"\n')
        (tmp_path / name).chmod(0o755)
    (tmp_path / "sudo").write_text(f'#!{tmp_path}/sh\n"$@"\n')
    (tmp_path / "sudo").chmod(0o755)

    subprocess.run([ROOT / ".ci" / "run"], env={**os.environ, "PATH": str(tmp_path)}, check=True, timeout=60)

    update, install, check = log.read_text().splitlines()
    assert update.startswith("apt-get update")
    assert set(NEEDED) <= set(install.split())
    assert check == "make test"
