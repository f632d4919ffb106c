"""The power cuts are tested first: a library that finds no loss where there must be one would prove nothing."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from brokerweb.storage.driver import sqlite
from tests.eventually import eventually
from tests.powerfail.shim import FSYNC_COUNT, FSYNC_ERRNO, SPARE_LOG, WALL_OFFSET_S, WRITE_ERRNO, Disk

ROUNDS, COMMITS = 3, 40


@dataclass
class Tally:
    """What the rounds of one mode came to."""

    confirmed: int = 0
    lost: int = 0
    damaged: int = 0


def _write_until_killed(disk: Disk, synchronous: str, first: int) -> int:
    """Run the writer, kill it after some commits; return the last row it confirmed."""
    command = [sys.executable, "-m", "tests.powerfail.writer", str(disk.live / "log.db"), synchronous, str(first)]
    process = subprocess.Popen(command, env=disk.environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(COMMITS)]
    process.kill()
    rest = process.communicate()[0].splitlines()
    return int((rest or lines)[-1])


def _read(disk: Disk) -> tuple[bool, int]:
    """Whether the file is sound, and its last row."""
    connection = sqlite.connect(str(disk.live / "log.db"))
    try:
        sound = connection.execute("pragma quick_check").fetchone()[0] == "ok"
        return sound, connection.execute("select coalesce(max(id), 0) from entry").fetchone()[0]
    except sqlite.DatabaseError as error:
        return "no such table" in str(error), 0
    finally:
        connection.close()


def _rounds(disk: Disk, synchronous: str, keep: float) -> Tally:
    tally, have = Tally(), 0
    for seed in range(ROUNDS):
        confirmed = _write_until_killed(disk, synchronous, have + 1)
        disk.cut_power(keep=keep, seed=seed)
        tally.confirmed += confirmed - have
        sound, have = _read(disk)
        if not sound:
            tally.damaged += 1
            break
        tally.lost += max(0, confirmed - have)
        disk.settle()
    return tally


@pytest.mark.parametrize("keep", [0, 0.5], ids=["clean", "torn"])
def test_a_power_cut_loses_nothing_that_was_committed_with_full_sync(
    powerfail_library: Path, tmp_path: Path, keep: float
) -> None:
    tally = _rounds(Disk.make(powerfail_library, tmp_path), "FULL", keep)

    assert tally.confirmed >= ROUNDS * COMMITS
    assert (tally.lost, tally.damaged) == (0, 0)


@pytest.mark.parametrize("synchronous", ["NORMAL", "OFF"])
def test_a_power_cut_finds_the_loss_that_weaker_settings_allow(powerfail_library: Path, tmp_path: Path, synchronous: str) -> None:
    tally = _rounds(Disk.make(powerfail_library, tmp_path), synchronous, 0)

    assert tally.lost or tally.damaged, f"blind: {tally.confirmed} rows confirmed with synchronous={synchronous}, none lost"


def _python(disk: Disk, code: str) -> str:
    command = [sys.executable, "-c", code, str(disk.live / "file")]
    return subprocess.run(command, env=disk.environment, capture_output=True, text=True, check=True).stdout.strip()


WRITE_AND_SYNC = """
import os, sys
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
for step in (lambda: os.write(file, b"x" * 5000), lambda: os.fsync(file)):
    try: step(); print("ok", end=" ")
    except OSError as error: print(error.errno, end=" ")
"""


def test_errors_of_writes_and_syncs_are_injected_and_end(powerfail_library: Path, tmp_path: Path) -> None:
    disk = Disk.make(powerfail_library, tmp_path)
    assert _python(disk, WRITE_AND_SYNC) == "ok ok"

    disk.set(WRITE_ERRNO, errno.ENOSPC)
    assert _python(disk, WRITE_AND_SYNC) == f"{errno.ENOSPC} ok"
    disk.set(WRITE_ERRNO, 0)
    disk.set(FSYNC_ERRNO, errno.EIO)
    assert _python(disk, WRITE_AND_SYNC) == f"ok {errno.EIO}"
    disk.set(FSYNC_ERRNO, 0)
    assert _python(disk, WRITE_AND_SYNC) == "ok ok"
    assert disk.get(FSYNC_COUNT) == 4


def test_what_a_failed_sync_did_not_write_is_not_written_by_the_next_one(powerfail_library: Path, tmp_path: Path) -> None:
    disk = Disk.make(powerfail_library, tmp_path)
    _python(disk, "")
    disk.set(FSYNC_ERRNO, errno.EIO)
    _python(disk, WRITE_AND_SYNC)
    disk.set(FSYNC_ERRNO, 0)
    _python(disk, "import os, sys; os.fsync(os.open(sys.argv[1], os.O_RDWR))")

    assert (disk.live / "file").read_bytes() == b"x" * 5000
    assert (disk.durable / "file").read_bytes() == bytes(5000)


def test_errors_can_spare_the_log(powerfail_library: Path, tmp_path: Path) -> None:
    disk = Disk.make(powerfail_library, tmp_path)
    _python(disk, "")
    disk.set(WRITE_ERRNO, errno.ENOSPC)
    disk.set(SPARE_LOG, 1)

    assert _python(disk, WRITE_AND_SYNC) == f"{errno.ENOSPC} ok"
    assert _python(disk, WRITE_AND_SYNC.replace("argv[1]", "argv[1] + '-wal'")) == "ok ok"


def test_a_file_that_was_never_synced_is_gone_and_a_synced_one_is_whole(powerfail_library: Path, tmp_path: Path) -> None:
    disk = Disk.make(powerfail_library, tmp_path)
    _python(disk, WRITE_AND_SYNC)
    _python(disk, "import sys; open(sys.argv[1] + '2', 'w').write('never synced')")

    disk.cut_power(keep=0, seed=0)

    assert {path.name: path.stat().st_size for path in disk.live.iterdir()} == {"file": 5000}


def test_the_wall_clock_steps_and_the_monotonic_one_does_not(powerfail_library: Path, tmp_path: Path) -> None:
    disk = Disk.make(powerfail_library, tmp_path)
    clocks = "import time; print(time.time(), time.monotonic())"
    wall, monotonic = map(float, _python(disk, clocks).split())

    disk.set(WALL_OFFSET_S, 86_400)
    later_wall, later_monotonic = map(float, _python(disk, clocks).split())

    assert 86_400 <= later_wall - wall < 86_430
    assert 0 < later_monotonic - monotonic < 30


def test_eventually_says_what_it_waited_for() -> None:
    with pytest.raises(AssertionError, match="a miracle; last answer 0"):
        eventually(lambda: 0, 0.05, why="a miracle")
