"""``python -m benchmarks``: JSON lines on standard output, tables on standard error, other checkouts in turns."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.server import ROOT, inherited


def bench(*arguments: str, status: int = 0) -> tuple[list[dict[str, Any]], str]:
    """What it printed: the lines, and the text of the tables."""
    amounts = ["--seconds", "30", "--waiting", "1000"]  # a drain ends with the last message
    command = [sys.executable, "-m", "benchmarks", *amounts, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=inherited(), capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == status, done.stderr + done.stdout
    return [json.loads(line) for line in done.stdout.splitlines()], done.stderr


def tree(folder: Path, name: str, log: Path) -> Path:
    """A checkout that runs this one, by a Python and a ``manage.py`` of its own that say so."""
    python = folder / name / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    (folder / name / "manage.py").write_text(
        "import os, runpy, sys\n"
        f"open({str(log)!r}, 'a').write({name!r} + '\\n')\n"
        f"os.chdir({str(ROOT)!r})\n"
        f"sys.path.insert(0, {str(ROOT)!r})\n"
        f"runpy.run_path({str(ROOT / 'manage.py')!r}, run_name='__main__')\n"
    )
    return folder / name


def test_both_servers_stand_side_by_side():
    (machine, *runs), text = bench("drain")
    assert machine["cores"] > 0
    assert [(run["workload"], run["server"]) for run in runs] == [("drain", "daphne"), ("drain", "uvicorn")]
    assert all(run["drained"] == 1000 and "missed" not in run for run in runs)
    assert "The regimes people run" in text
    assert " | ".join(["daphne", "uvicorn"]) in text


def test_another_checkout_runs_in_turns_with_this_one(tmp_path: Path):
    log = tmp_path / "started"
    other = tree(tmp_path, "before", log)
    (_, *runs), text = bench("--against", str(other), "--servers", "uvicorn", "--rounds", "2", "drain")
    assert [run["server"] for run in runs] == ["uvicorn", "uvicorn, before", "uvicorn, before", "uvicorn"]
    assert [run["round"] for run in runs] == [0, 0, 1, 1]
    assert all(run["drained"] == 1000 for run in runs)
    assert log.read_text().split() == ["before", "before"]
    [row] = [line for line in text.splitlines() if line.startswith("drain") and "|" in line]
    assert " x" in row.split("|")[2]


def test_a_checkout_that_does_not_start_is_said_and_fails(tmp_path: Path):
    other = tree(tmp_path, "broken", tmp_path / "started")
    (other / "manage.py").write_text("raise SystemExit('no such thing')\n")
    (_, *runs), text = bench("--against", str(other), "--servers", "uvicorn", "--rounds", "1", "drain", status=1)
    assert "no such thing" in runs[1]["failed"]
    assert "failed" not in runs[0]
    assert text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--against", "nowhere"), "no .venv/bin/python there"),
        (("--peers", "abacus"), "unknown: abacus"),
        (("--peers", "nats-always", "rest"), "no clients for rest"),
        (("--strict",), "unrecognized arguments"),
    ],
)
def test_what_cannot_be_run_is_said_before_anything_runs(arguments: tuple[str, ...], said: str):
    lines, text = bench(*arguments, status=2)
    assert lines == []
    assert said in text
