"""The bank of seeded bugs: patches, each under a few lines that say what it breaks and which tests must notice.

    M6: an ack does not look whose lease it is
    killed by: tests/contract/test_time.py::test_a_late_ack

    --- a/queues/queries.sql

A hunk is found by its lines, not by their numbers: a patch lasts until the lines it is about change.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent.parent
HERE = Path(__file__).resolve().parent
_FILE = re.compile(r"^--- a/.+\n\+\+\+ b/", re.M)
_HUNK = re.compile(r"^@@.*\n((?:[ +-].*\n)+)", re.M)


class Stale(Exception):
    """The tree no longer has the lines that a patch is about."""


class Change(NamedTuple):
    """In the file at ``path`` the lines ``old``, which stand there once, become ``new``."""

    path: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Make it in the tree at ``root``. Raises Stale."""
        file = root / self.path
        text = file.read_text()
        if text.count(self.old) != 1:
            raise Stale(f"{self.path} has these lines {text.count(self.old)} times:\n{self.old}")
        file.write_text(text.replace(self.old, self.new))


class Mutant(NamedTuple):
    """One seeded bug."""

    name: str
    breaks: str
    killers: list[str]
    changes: list[Change]


def mutants() -> list[Mutant]:
    """All of them, in the order of their numbers."""
    return [_parse(path.read_text()) for path in sorted(HERE.glob("*.patch"))]


def _parse(text: str) -> Mutant:
    about, *files = _FILE.split(text)
    name, _, breaks = about.partition("\n")[0].partition(": ")
    changes = [_change(file.partition("\n")[0], hunk) for file in files for hunk in _HUNK.findall(file)]
    return Mutant(name, breaks, re.findall(r"^killed by: (\S+)$", about, re.M), changes)


def _change(path: str, hunk: str) -> Change:
    lines = hunk.splitlines(keepends=True)
    old, new = ("".join(line[1:] for line in lines if line[0] in (" ", sign)) for sign in "-+")
    return Change(path, old, new)
