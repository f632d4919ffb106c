"""PostgreSQL as it is run where it must not be lost: a leader and synchronous standbys under Patroni, which elects by etcd.

Needs the extra ``failover`` and the program etcd (Debian, Ubuntu: apt-get install etcd-server).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.eventually import eventually
from tests.postgres import runnable, unprivileged
from tests.server import free_port

SERVERS = 3
# Seconds: Patroni allows no less. So long after it was last heard of the leader counts as gone.
DCS = {"ttl": 20, "loop_wait": 2, "retry_timeout": 3, "synchronous_mode": True, "synchronous_mode_strict": True}


@dataclass
class Member:
    """One server and its Patroni."""

    name: str
    folder: Path
    port: int = field(default_factory=free_port)
    rest: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def postmaster(self) -> int | None:
        """The process id of its PostgreSQL."""
        with contextlib.suppress(OSError, ValueError):
            return int((self.folder / self.name / "postmaster.pid").read_text().split("\n")[0])
        return None


class Patronis:
    """``start`` them, ``kill_leader``, ``revive`` whoever was killed, ``stop``."""

    def __init__(self, folder: Path, programs: Path) -> None:
        self.folder, self._who = folder, unprivileged()
        if self._who:
            os.chown(folder, self._who["user"], self._who["group"])
            programs = runnable(programs, folder, self._who)
        self._programs, self._etcd_port = programs, free_port()
        self._etcd: subprocess.Popen[bytes] | None = None
        self.members = [Member(f"pg{n}", folder) for n in range(SERVERS)]

    def url(self, dbname: str) -> str:
        """All of them; whoever connects finds the one that may be written."""
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.members)
        return f"postgresql://tests:tests@{hosts}/{dbname}?target_session_attrs=read-write"

    def start(self) -> None:
        """There is a leader with a synchronous standby when this returns."""
        etcd = shutil.which("etcd")
        assert etcd is not None, "apt-get install etcd-server"
        url, peers = f"http://127.0.0.1:{self._etcd_port}", f"http://127.0.0.1:{free_port()}"
        given = {
            "data-dir": str(self.folder / "etcd"),
            "listen-client-urls": url,
            "advertise-client-urls": url,
            "listen-peer-urls": peers,
            "initial-advertise-peer-urls": peers,
            "initial-cluster": f"default={peers}",
        }
        self._etcd = self._run("etcd", [etcd, *(f"--{name}={value}" for name, value in given.items())])
        for member in self.members:
            self.revive(member)
        eventually(self.synchronous, 180, why="a leader with a synchronous standby", interval=0.5)

    def revive(self, member: Member) -> None:
        """Start a server anew; it joins as a standby where there is a leader."""
        config = self.folder / f"{member.name}.yml"
        config.write_text(yaml.safe_dump(self._config(member)))
        member.process = self._run(member.name, [_python(), "-m", "patroni", str(config)])

    def kill_leader(self) -> Member:
        """Patroni and PostgreSQL of the leader are gone from one moment to the next."""
        name = eventually(self.synchronous, 120, why="a leader with a synchronous standby", interval=0.5)
        leader = next(member for member in self.members if member.name == name)
        assert leader.process is not None
        leader.process.kill()
        if (postmaster := leader.postmaster) is not None:
            os.kill(postmaster, signal.SIGKILL)
        leader.process.wait(20)
        return leader

    def synchronous(self) -> str:
        """The name of the leader, once a synchronous standby follows it; else nothing."""
        for member in self.members:
            found = self._cluster(member)
            roles = {each["role"]: each["name"] for each in found if each.get("state") in ("running", "streaming")}
            if "leader" in roles and "sync_standby" in roles:
                return str(roles["leader"])
        return ""

    def _cluster(self, member: Member) -> list[dict[str, Any]]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{member.rest}/cluster", timeout=5) as answer:
                return list(json.load(answer)["members"])
        except (OSError, ValueError):
            return []

    def stop(self) -> None:
        """Whatever state they are in."""
        for member in self.members:
            if member.process is not None and member.process.poll() is None:
                member.process.kill()
                member.process.wait(20)
            if (postmaster := member.postmaster) is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(postmaster, signal.SIGQUIT)
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait(20)

    def log_tail(self) -> str:
        logs = [self.folder / f"{member.name}.log" for member in self.members]
        return "\n".join(f"--- {log.name}\n" + "\n".join(log.read_text().splitlines()[-15:]) for log in logs if log.exists())

    def _run(self, name: str, command: list[str]) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": sysconfig.get_paths()["purelib"], "HOME": str(self.folder)}
        with (self.folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log, **self._who)

    def _config(self, member: Member) -> dict[str, Any]:
        trusted = ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"]
        users = {"superuser": {"username": "tests", "password": "tests"}, "replication": {"username": "copy", "password": "copy"}}
        settings = {"max_connections": 200, "wal_log_hints": "on", "synchronous_commit": "on"}
        return {
            "scope": "tests",
            "name": member.name,
            "restapi": {"listen": f"127.0.0.1:{member.rest}", "connect_address": f"127.0.0.1:{member.rest}"},
            "etcd3": {"hosts": f"127.0.0.1:{self._etcd_port}"},
            "bootstrap": {
                "dcs": {**DCS, "postgresql": {"use_pg_rewind": True, "parameters": settings}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}],
            },
            "postgresql": {
                "listen": f"127.0.0.1:{member.port}",
                "connect_address": f"127.0.0.1:{member.port}",
                "data_dir": str(self.folder / member.name),
                "bin_dir": str(self._programs),
                "pgpass": str(self.folder / f"{member.name}.pgpass"),
                "authentication": users,
                "parameters": {"unix_socket_directories": str(self.folder)},
                "pg_hba": trusted,
            },
        }


def _python() -> str:
    """An interpreter that an ordinary user may run: root's own may stand below its home. The modules are those of this one."""
    if not unprivileged():
        return sys.executable
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = [sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"]
    for candidate in candidates:
        with contextlib.suppress(OSError):
            done = subprocess.run([candidate, "-c", ""], cwd="/", capture_output=True, check=False, **unprivileged())
            if done.returncode == 0:
                return candidate
    raise AssertionError(f"none of {candidates} is to be run by an ordinary user: apt-get install {version}")
