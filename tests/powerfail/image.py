"""What a data directory may hold after a power cut: all that was synced, and any part of what was not."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

BLOCK, SECTOR = 4096, 512


class Sides(Protocol):
    """The two sides of a disk: what programs see, and what was synced."""

    @property
    def live(self) -> Path: ...

    @property
    def durable(self) -> Path: ...


def cut(disk: Sides, out: Path, *, keep: float, seed: int) -> int:
    """Build the image in ``out`` and return how many unsynced sectors it lost.

    ``keep`` is the chance of each unsynced sector to have reached the disk: 0 is a clean cut, in between writes are torn
    and reordered, 1 is as after SIGKILL. Shared memory files (-shm) are left out, as after a reboot.
    """
    dice = random.Random(seed)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(disk.durable, out, ignore=shutil.ignore_patterns(".dirty", ".ctl", "*-shm"))
    lost = 0
    for bitmap in sorted((disk.durable / ".dirty").glob("*")):
        relative = bitmap.name.replace("%", "/")
        live = disk.live / relative
        blocks = list(_dirty_blocks(bitmap)) if live.exists() else []
        if blocks:
            lost += _tear(live, out / relative, blocks, keep=keep, dice=dice)
    return lost


def _dirty_blocks(bitmap: Path) -> Iterator[int]:
    for index, byte in enumerate(bitmap.read_bytes()):
        if byte:
            yield from (index * 8 + bit for bit in range(8) if byte >> bit & 1)


def _tear(live: Path, out: Path, blocks: list[int], *, keep: float, dice: random.Random) -> int:
    """Copy each sector of the dirty blocks with chance ``keep``; return how many were lost."""
    lost = 0
    out.parent.mkdir(parents=True, exist_ok=True)
    if keep and not out.exists():
        out.touch()
    with live.open("rb") as source:
        for block in blocks:
            source.seek(block * BLOCK)
            data = source.read(BLOCK)
            for start in range(0, len(data), SECTOR):
                if dice.random() >= keep:
                    lost += 1
                else:
                    _write_at(out, block * BLOCK + start, data[start : start + SECTOR])
    return lost


def _write_at(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)
