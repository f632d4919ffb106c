"""What /proc says about a process: processor time, memory."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def family_seconds(pid: int) -> float:
    """The same of a process and its children, those that have ended included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ended = (int(fields[13]) + int(fields[14])) / TICKS
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return cpu_seconds(pid) + ended + sum(map(cpu_seconds, map(int, children)))


def rss_mib(pid: int) -> float:
    """Resident memory in MiB, without pages of files that are only mapped."""
    wanted = {"RssAnon", "RssShmem"}
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return sum(int(line[1]) for line in lines if line[0].rstrip(":") in wanted) / 1024


def rss_total_mib(pid: int) -> float:
    """Resident memory in MiB as ``ps`` and ``top`` show it."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return next(int(line[1]) for line in lines if line[0] == "VmRSS:") / 1024


class Stopwatch:
    """Wall time, and the share of one core that this process and the servers took, since it was started; and their database."""

    def __init__(self, servers: Sequence[int], database: int | None = None) -> None:
        self.servers, self.database = servers, database
        self.start()

    def start(self) -> None:
        self.began, self.own, self.theirs = time.perf_counter(), time.process_time(), self._of_servers()
        self.its = self._of_database()

    def _of_servers(self) -> float:
        return sum(map(cpu_seconds, self.servers))

    def _of_database(self) -> float:
        return family_seconds(self.database) if self.database is not None else 0.0

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.began

    def shares(self) -> dict[str, float]:
        """Cores used: 1.0 is one core all the time."""
        seconds = self.seconds
        its = {} if self.database is None else {"database_cores": round((self._of_database() - self.its) / seconds, 2)}
        return {
            **its,
            "seconds": round(seconds, 2),
            "server_cores": round((self._of_servers() - self.theirs) / seconds, 2),
            "generator_cores": round((time.process_time() - self.own) / seconds, 2),
        }
