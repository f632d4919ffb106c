"""Which Python the newest Django is tested on, and that it is said where there is none."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import djangos


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no Python but those that the test puts there."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setattr(sys, "executable", put(tmp_path / "python", "echo 3 11 7"))
    return tmp_path


def put(program: Path, does: str) -> str:
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(f"#!/bin/sh\n{does}\n")
    program.chmod(0o755)
    return str(program)


def test_the_newest_that_runs_is_taken(here: Path) -> None:
    put(here / "python3.12", "echo 3 12 9")
    put(here / "python3.14", "exit 127")  # a name that stands for nothing
    put(here / "pyenv/versions/3.13.10/bin/python3", "echo 3 13 10")
    put(here / "pyenv/versions/3.13.9/bin/python3", "echo 3 13 9")
    assert djangos.newest_python() == here / "pyenv/versions/3.13.10/bin/python3"


def test_where_there_is_none_it_is_said(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(djangos, "suite", lambda *how: ("Django 5.2 on Python 3.11", 0))
    assert djangos.main([]) == 0
    assert capsys.readouterr().err == f"Django 5.2 on Python 3.11: passed\n{djangos.MISSING}\n"
