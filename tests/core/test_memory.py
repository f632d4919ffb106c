"""What the process does with memory that was freed, seen by the pages it touches anew."""

import os
import platform
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's: run this on a Linux with glibc")

PIECES = """
import resource, sys
from brokerweb.core import memory
if sys.argv[1] == "kept":
    assert memory.keep_freed()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for n in range(200):
        pieces = [b"x" * 600_000, b"y" * 600_000]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""


def faults(how: str, **variables: str) -> int:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = subprocess.run(
        [sys.executable, "-c", PIECES, how], env=clean | variables, capture_output=True, text=True, check=True, timeout=60
    )
    return int(run.stdout)


def test_large_pieces_are_used_again() -> None:
    kept = faults("kept")
    # The comparison is the same program where glibc is told to map each such piece by itself: 200 times 300 pages.
    mapped = faults("not kept", MALLOC_MMAP_THRESHOLD_="131072")
    assert kept < mapped / 10


def test_the_operators_own_limits_stay() -> None:
    assert faults("kept", MALLOC_MMAP_THRESHOLD_="131072") > 10_000


HOLES = """
import asyncio
from brokerweb.core import memory
assert memory.keep_freed()
duty = memory.GivingBack()
asyncio.run(duty.tick(0))
before = memory.resident()
pieces = [bytes(1000) for _ in range(200_000)]
full = memory.resident()
pieces = pieces[::50]  # every heap stays in use, up to its top
with_holes = memory.resident()
asyncio.run(duty.tick(0))
print(full - before, with_holes - before, memory.resident() - before)
"""


def test_holes_go_back_to_the_system() -> None:
    run = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True, timeout=60)
    full, with_holes, after = map(int, run.stdout.split())
    assert with_holes > full * 0.9 > 150_000_000, "without the duty they would stay"
    assert after < 50_000_000
