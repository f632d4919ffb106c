"""The seeded bugs fit the tree as it is; whether they are noticed is for ``make mutants``."""

from __future__ import annotations

import ast
import shutil
from pathlib import Path

import pytest

from tests.mutants.bank import ROOT, Change, Mutant, Stale, mutants

BANK = mutants()


@pytest.mark.parametrize("mutant", BANK, ids=[mutant.name for mutant in BANK])
def test_every_patch_still_applies_and_names_tests_that_are_there(mutant: Mutant, tmp_path: Path):
    assert mutant.changes
    for path in {change.path for change in mutant.changes}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    for change in mutant.changes:
        change.apply(tmp_path)
        assert not change.path.endswith(".py") or ast.parse((tmp_path / change.path).read_text())
    assert mutant.killers
    for killer in mutant.killers:
        file, *names = killer.split("::")
        assert all(f" {name}" in (ROOT / file).read_text() for name in names), killer


def test_a_patch_whose_lines_are_gone_or_stand_there_twice_is_stale(tmp_path: Path):
    (tmp_path / "module.py").write_text("a = 1\na = 1\n")
    for old in ("a = 1\n", "b = 1\n"):
        with pytest.raises(Stale):
            Change("module.py", old, "").apply(tmp_path)
