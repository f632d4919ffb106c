"""The mark: a small file beside the database in which a run notes how far it got, and at its end that it ended well.

It is no part of the database, so that a start can hold what it finds against what there was.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from brokerweb.core import durable

SIZE = 256  # bytes, always: written in place, within one sector, and so whole or not at all


@dataclass(frozen=True)
class Mark:
    """``running``: the database may need its log. ``seen_at``: an instant that the database is known to have stored."""

    running: bool
    seen_at: int
    boot: str  # of the machine: what was in memory is of this boot alone
    logged: bool  # there is a write-ahead log


def read(path: Path) -> Mark | None:
    """The mark, or None where there is none that can be read."""
    try:
        values = json.loads(path.read_text())
        return Mark(**{field.name: values[field.name] for field in fields(Mark)})
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, mark: Mark, *, sync: bool) -> None:
    """Put the mark down; ``sync``: it must outlive a power cut."""
    text = json.dumps(asdict(mark)).ljust(SIZE - 1) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.pwrite(descriptor, text.encode(), 0)
        if sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if sync:
        durable.sync(path.parent)
