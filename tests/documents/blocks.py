"""What people would type or copy out of a document: its fenced blocks, and the commands in those of a shell."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from tests.server import ROOT

SHELL = ("sh", "bash", "shell", "console")
DOCUMENTS = sorted(
    [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("README.md"), ROOT / "deploy" / "README.md"]
)
_FENCE = re.compile(r"^( *)```(\w*)[^\n`]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_FILE = re.compile(r"(?:#|//) ([\w./-]+\.\w+)(, at the end)?\n")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``line`` is the first one within it."""

    document: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.document.relative_to(ROOT)}:{self.line}"

    @property
    def file(self) -> tuple[str, bool] | None:
        """The file that the block's first line says it is, and whether it goes at that one's end."""
        named = _FILE.match(self.text)
        return (named[1], bool(named[2])) if named and self.language not in SHELL else None

    @cached_property
    def commands(self) -> list[Command]:
        """Those of a shell's block; of a console's, what stands behind a prompt."""
        if self.language not in SHELL:
            return []
        lines = self.text.splitlines()
        if self.language == "console":
            lines = [line[2:] for line in lines if line.startswith("$ ")]
        return [Command(self, text) for text in _joined(lines)]


@dataclass(frozen=True)
class Command:
    """What is typed at once: a line, with those that belong to it."""

    block: Block
    text: str

    @property
    def document(self) -> str:
        return str(self.block.document.relative_to(ROOT))

    @cached_property
    def typed(self) -> str:
        """Without the comment behind it, and with one space between words: what lists of commands go by."""
        without = re.sub(r"\s#\s.*$", "", self.text, flags=re.MULTILINE)
        return re.sub(r"\s*\\\n\s*", " ", without).strip()

    def __str__(self) -> str:
        return f"{self.block.place}: {self.typed}"


def blocks(document: Path) -> list[Block]:
    """All of a document, in its order."""
    text = document.read_text()
    found = []
    for fence in _FENCE.finditer(text):
        indent, language, inner = fence.groups()
        inner = re.sub(f"^{indent}", "", inner, flags=re.MULTILINE)
        found.append(Block(document, text.count("\n", 0, fence.start()) + 2, language, inner))
    return found


def commands() -> list[Command]:
    """All of all documents."""
    return [command for document in DOCUMENTS for block in blocks(document) for command in block.commands]


def _joined(lines: list[str]) -> Iterator[str]:
    """Lines put together as a shell would wait for more of them; without those that are empty or a comment alone."""
    waiting: list[str] = []
    end: str | None = None
    for line in lines:
        if not waiting and (not line.strip() or line.lstrip().startswith("#")):
            continue
        waiting.append(line)
        if end is None:
            heredoc = _HEREDOC.search(line)
            end = heredoc[1] if heredoc else None
        elif line.strip() == end:
            end = None
        if end is None and _is_whole("\n".join(waiting)):
            yield "\n".join(waiting)
            waiting = []
    assert not waiting, f"no whole command: {waiting}"


def _is_whole(text: str) -> bool:
    if re.search(r"\\$", text):
        return False
    return subprocess.run(["sh", "-nc", text], capture_output=True, timeout=10).returncode == 0
