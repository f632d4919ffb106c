"""Which process this is, so that another one on this machine can tell whether it is still there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A number alone is given again: with the moment the process started, in one boot and one space of numbers, it names one."""

    boot: str  # empty where the system does not tell
    space: str
    number: int
    started: str

    def alive(self) -> bool | None:
        """Whether it is there. None where that cannot be told: it is of another machine, boot or container."""
        here = this()
        if not self.boot or (self.boot, self.space) != (here.boot, here.space):
            return None
        return bool(self.started) and _started(self.number) == self.started


def this() -> Process:
    """The process that asks."""
    return Process(boot(), _space(), os.getpid(), _started(os.getpid()))


def boot() -> str:
    """What names this start of the machine; empty where the system does not tell."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _space() -> str:
    """Containers number their processes by themselves."""
    try:
        return str((_PROC / "self/ns/pid").readlink())
    except OSError:
        return ""


def _started(number: int) -> str:
    """When that process started, in the kernel's own count; empty for one that is gone, or is dead and not yet buried."""
    try:
        fields = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]
