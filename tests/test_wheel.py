"""What a pip install brings: the wheel holds every file of the apps, also those that are no Python."""

import subprocess
import sys
import zipfile
from pathlib import Path

from tests.server import ROOT

APPS = ("brokerweb", "queues", "streams", "console")
LINKS = {"brokerweb/queues", "brokerweb/streams", "brokerweb/console", "console/static"}


def files() -> list[str]:
    """The apps' files that the repository keeps, by the names they are imported and found by; static files are the console's."""
    listed = subprocess.run(
        ["git", "ls-files", *APPS, "static"], cwd=ROOT, capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    paths = [f"console/{name}" if name.startswith("static/") else name for name in listed if name not in LINKS]
    return [path if path.startswith("brokerweb/") else f"brokerweb/{path}" for path in paths]


def test_the_wheel_holds_every_file_of_the_apps(tmp_path: Path) -> None:
    source = tmp_path / "source"
    # A copy: building leaves folders behind.
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(source)], check=True, timeout=60)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    [wheel] = tmp_path.glob("brokerweb-*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = files()
    assert "brokerweb/console/static/brokerweb_console/console.css" in wanted
    assert not [name for name in wanted if name not in packed]
    assert {name.partition("/")[0] for name in packed if ".dist-info/" not in name} == {"brokerweb"}
