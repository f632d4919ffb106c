"""``python -m tests.mutants [M4 M6 ...]``: put each seeded bug into a copy of the tree, and see whether its tests notice."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.mutants.bank import ROOT, Mutant, mutants

LEFT_OUT = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info", "data")
PASSED, FAILED = 0, 1  # pytest's status; any other means that it did not get to run the tests


def verdict(mutant: Mutant) -> str:
    """``killed``, ``survived``, or ``broken`` where the tests could not be run."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as directory:
        tree = Path(directory) / "tree"
        shutil.copytree(ROOT, tree, symlinks=True, ignore=LEFT_OUT)
        for change in mutant.changes:
            change.apply(tree)
        tests = [sys.executable, "-m", "pytest", "-x", "-q", *mutant.killers]
        status = subprocess.run(tests, cwd=tree, stdout=subprocess.DEVNULL, check=False).returncode
    return {PASSED: "survived", FAILED: "killed"}.get(status, f"broken (pytest ended with {status})")


def main(names: list[str]) -> int:
    """The exit status: 0 when every one was killed."""
    bank = mutants()
    if unknown := set(names) - {mutant.name for mutant in bank}:
        raise SystemExit(f"no such mutant: {', '.join(sorted(unknown))}")
    verdicts = []
    for mutant in bank:
        if not names or mutant.name in names:
            verdicts.append(verdict(mutant))
            print(f"{mutant.name} {verdicts[-1]}: {mutant.breaks}", flush=True)
    return int(any(each != "killed" for each in verdicts))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
