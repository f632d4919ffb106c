"""The Dockerfile: linted, and its lines carried out in an empty directory, as there is no container engine to ask."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.eventually import eventually
from tests.server import ROOT, Server, free_port, inherited

DOCKERFILE = ROOT / "Dockerfile"


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile as (instruction, rest of the line), continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE))
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in text.splitlines() if line.strip()]


class Image:
    """A directory in place of the image's root; instructions happen to it."""

    def __init__(self, root: Path) -> None:
        self.root, self.directory = root, root
        self.environment = {**inherited(), "PATH": f"{python_without_packages(root / 'python')}:{os.environ['PATH']}"}
        self.command: list[str] = []

    def inside(self, path: str) -> str:
        return str(self.root / path.lstrip("/")) if path.startswith("/") else path

    def carry_out(self, instruction: str, rest: str) -> None:
        steps = {"ENV": self.env, "WORKDIR": self.workdir, "COPY": self.copy, "RUN": self.run, "CMD": self.cmd}
        steps.get(instruction, lambda rest: None)(rest)

    def env(self, rest: str) -> None:
        self.environment.update((name, self.inside(value)) for name, value in (pair.split("=", 1) for pair in rest.split()))

    def workdir(self, rest: str) -> None:
        self.directory = Path(self.inside(rest))
        self.directory.mkdir(parents=True)

    def copy(self, rest: str) -> None:
        *sources, target = rest.split()
        for source in sources:
            if (ROOT / source).is_dir():
                shutil.copytree(
                    ROOT / source, self.directory / target, symlinks=True, ignore=shutil.ignore_patterns("__pycache__")
                )
            else:
                shutil.copy(ROOT / source, self.directory / target)

    def run(self, rest: str) -> None:
        done = subprocess.run(
            rest, shell=True, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"

    def cmd(self, rest: str) -> None:
        self.command = json.loads(rest)


def python_without_packages(directory: Path) -> Path:
    """An interpreter of its own that finds the dependencies already here, so that nothing is downloaded twice."""
    venv.create(directory, with_pip=True, symlinks=True)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    site = directory / "lib" / version / "site-packages"
    (site / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return directory / "bin"


def test_hadolint_has_nothing_to_say():
    done = subprocess.run([Path(sys.executable).parent / "hadolint", DOCKERFILE], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)


def test_the_image_holds_only_what_the_broker_needs():
    copied = {source.rstrip("/") for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert copied == allowed


@pytest.fixture
def image(tmp_path: Path) -> Image:
    image = Image(tmp_path)
    for instruction, rest in instructions():
        image.carry_out(instruction, rest)
    return image


@pytest.mark.long
def test_its_lines_make_a_broker_that_starts_and_stops(image: Image, tmp_path: Path):
    server = Server(tmp_path / "data")
    server.port = free_port()
    environment = {**image.environment, "BROKERWEB_BIND": f"127.0.0.1:{server.port}"}
    with server.log.open("ab") as log:
        server.process = subprocess.Popen(
            image.command, cwd=image.directory, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
    with server:
        eventually(lambda: server.readiness() == 200 or not server.running, 60, why=server.log_tail())
        assert server.running, server.log_tail()
        assert str(tmp_path / "data") in server.log_tail()
        assert "(uvicorn, " in server.log_tail()
        os.kill(server.pid, signal.SIGTERM)
        assert server.exit_status(10) == 0
