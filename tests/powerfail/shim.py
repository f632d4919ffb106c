"""The preloaded library from the outside: compiled on demand, and steered while a program runs under it."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.powerfail.image import cut

SOURCE = Path(__file__).with_name("powerfail.c")
WRITE_ERRNO, FSYNC_ERRNO, FSYNC_DELAY_US, FSYNC_COUNT, WALL_OFFSET_S, SPARE_LOG = range(6)


class NoCompiler(Exception):
    """A C compiler is needed: install gcc or clang (Debian, Ubuntu: apt-get install gcc libc6-dev)."""


def build(folder: Path) -> Path:
    """Compile the library into ``folder``. Raises NoCompiler."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise NoCompiler(NoCompiler.__doc__)
    library = folder / "powerfail.so"
    command = [compiler, "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
    subprocess.run(command, check=True)
    return library


@dataclass(frozen=True)
class Disk:
    """A data directory whose power can be cut: ``live`` is what programs see, ``durable`` what was synced."""

    library: Path
    live: Path
    durable: Path

    @classmethod
    def make(cls, library: Path, folder: Path) -> Disk:
        disk = cls(library, folder / "live", folder / "durable")
        for path in (disk.live, disk.durable):
            path.mkdir(parents=True, exist_ok=True)
        return disk

    @property
    def environment(self) -> dict[str, str]:
        """What a program's environment needs for this disk."""
        return {"LD_PRELOAD": str(self.library), "PF_ROOT": str(self.live), "PF_SHADOW": str(self.durable)}

    def set(self, cell: int, value: int) -> None:
        """Write one cell of the control page: an errno, a delay, an offset; 0 ends it."""
        with (self.durable / ".ctl").open("r+b") as page:
            page.seek(4 * cell)
            page.write(struct.pack("i", value))

    def get(self, cell: int) -> int:
        with (self.durable / ".ctl").open("rb") as page:
            page.seek(4 * cell)
            return int(struct.unpack("i", page.read(4))[0])

    def cut_power(self, *, keep: float, seed: int) -> None:
        """Make ``live`` what a power cut would have left; every program on it must be dead. ``keep``: see image.cut."""
        image = self.live.with_name("image")
        cut(self, image, keep=keep, seed=seed)
        shutil.rmtree(self.live)
        image.rename(self.live)
        self.settle()

    def settle(self) -> None:
        """Declare all of ``live`` durable, as before a start."""
        shutil.rmtree(self.durable)
        shutil.copytree(self.live, self.durable)
