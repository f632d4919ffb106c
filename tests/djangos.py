"""``python -m tests.djangos [OPTIONS OF PYTEST]``: the suite on the oldest Django that is allowed, and on the newest.

Each has an environment of its own below ``.venv``. The newest Django wants a newer Python than the broker does: the newest
one on this machine is taken, from the path or from pyenv.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.server import ROOT

OLDEST = "django~=5.2.0"
NEWEST_WANTS = (3, 12)
MISSING = (
    f"No Python {'.'.join(map(str, NEWEST_WANTS))} or newer is on this machine: THE NEWEST DJANGO IS NOT TESTED.\n"
    "What it makes of the conditions of indexes is in tests/storage/test_conditions.py, which ran."
)


def main(options: list[str]) -> int:
    """The exit status: 0 when all that could be run passed."""
    results = [suite("oldest", Path(sys.executable), [OLDEST], options)]
    newer = newest_python()
    if newer is not None:
        results.append(suite("newest", newer, ["--upgrade", "django"], options))
    for line in (
        *(f"{what}: {'passed' if status == 0 else 'FAILED'}" for what, status in results),
        *([] if newer else [MISSING]),
    ):
        print(line, file=sys.stderr)
    return max(status for _, status in results)


def suite(name: str, python: Path, django: list[str], options: list[str]) -> tuple[str, int]:
    """Run the suite in the environment of this name; what it ran on, and pytest's status."""
    there = ROOT / ".venv" / f"django-{name}"
    subprocess.run([python, "-m", "venv", "--clear", there], check=True)
    inside = there / "bin" / "python"
    subprocess.run([inside, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[test]", *django], check=True)
    versions = "import sys, django; print(f'Django {django.__version__} on Python {sys.version.split()[0]}')"
    what = subprocess.run([inside, "-c", versions], check=True, capture_output=True, text=True).stdout.strip()
    print(what, flush=True)
    return what, subprocess.run([inside, "-m", "pytest", *options], cwd=ROOT, check=False).returncode


def newest_python() -> Path | None:
    """The newest Python here that the newest Django runs on."""
    found = [(version, python) for python in candidates() if (version := version_of(python)) >= NEWEST_WANTS]
    return max(found)[1] if found else None


def candidates() -> Iterator[Path]:
    """Wherever a Python of its own may be."""
    yield Path(sys.executable)
    for minor in range(NEWEST_WANTS[1], 30):
        if named := shutil.which(f"python3.{minor}"):
            yield Path(named)
    yield from Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin/python3")


def version_of(python: Path) -> tuple[int, ...]:
    """Its version; () for what is there by name only, as pyenv's stand-ins are."""
    asked = subprocess.run(
        [python, "-c", "import sys; print(*sys.version_info[:3])"], capture_output=True, text=True, check=False
    )
    return tuple(map(int, asked.stdout.split())) if asked.returncode == 0 else ()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
