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
import tomllib
import venv
from pathlib import Path

import pytest

import brokerweb
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
        self.entrypoint: list[str] = []
        self.command: list[str] = []
        self.health: list[str] = []

    def inside(self, path: str) -> str:
        return str(self.root / path.lstrip("/")) if path.startswith("/") else path

    def carry_out(self, instruction: str, rest: str) -> None:
        steps = {
            "ENV": self.env,
            "WORKDIR": self.workdir,
            "COPY": self.copy,
            "RUN": self.run,
            "ENTRYPOINT": self.entry,
            "CMD": self.cmd,
            "HEALTHCHECK": self.healthcheck,
        }
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
                left_out = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, self.directory / target, symlinks=True, ignore=left_out)
            else:
                shutil.copy(ROOT / source, self.directory / target)

    def entry(self, rest: str) -> None:
        self.entrypoint = [self.inside(word) for word in json.loads(rest)]

    def run(self, rest: str) -> None:
        done = subprocess.run(
            rest, shell=True, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, f"RUN {rest}\n{done.stdout}{done.stderr}"

    def cmd(self, rest: str) -> None:
        self.command = json.loads(rest)

    def healthcheck(self, rest: str) -> None:
        self.health = [self.inside(word) for word in json.loads(rest.partition(" CMD ")[2])]

    def given(self, *arguments: str) -> list[str]:
        """What ``docker run`` starts with these arguments."""
        return [*self.entrypoint, *(arguments or self.command)]

    def told(self, *arguments: str) -> str:
        """What such a container prints, and ends with 0."""
        done = self.ran(self.given(*arguments))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def ran(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.directory, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )


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


def test_a_change_of_the_source_installs_no_dependency_anew():
    steps = [(name, rest) for name, rest in instructions() if name in ("COPY", "RUN")]
    (first, dependencies), *others = steps
    assert (first, dependencies.split()[0]) == ("COPY", "pyproject.toml")
    assert [name for name, rest in others[:1]] == ["RUN"]
    assert "--requirement" in others[0][1]
    assert all({"--no-deps", "--no-build-isolation"} <= set(rest.split()) for _, rest in others[1:] if "pip install" in rest)


def test_its_labels_say_what_it_is():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [text] = [rest for name, rest in instructions() if name == "LABEL"]
    labels = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', text))
    assert labels == {
        "title": "brokerweb",
        "description": project["description"],
        "version": brokerweb.__version__,
        "licenses": project["license"],
    }


def test_the_documents_name_the_user_that_it_runs_as():
    [user] = [rest.partition(":")[0] for name, rest in instructions() if name == "USER"]
    assert user.isdigit()
    assert int(user) >= 1000
    assert f"uid {user}" in (ROOT / "docs" / "docker.md").read_text()


@pytest.mark.long
def test_its_lines_make_a_broker_that_starts_is_asked_and_stops(tmp_path: Path):
    image = Image(tmp_path)
    for instruction, rest in instructions():
        image.carry_out(instruction, rest)
    server = Server(tmp_path / "data")
    server.port = free_port()
    image.environment["BROKERWEB_BIND"] = f"127.0.0.1:{server.port}"
    with server.log.open("ab") as log:
        server.process = subprocess.Popen(
            image.given(), cwd=image.directory, env=image.environment, stdout=log, stderr=subprocess.STDOUT
        )
    with server:
        eventually(lambda: server.readiness() == 200 or not server.running, 60, why=server.log_tail())
        assert server.running, server.log_tail()
        assert str(tmp_path / "data") in server.log_tail()
        assert "(uvicorn, " in server.log_tail()
        assert image.ran(image.health).returncode == 0

        first = image.told("token", "create", "first", "--grant", "queue:*=publish,manage")
        assert "orders" in image.told("brokerweb", "--token", first, "queue", "create", "orders")
        assert image.told("sh", "-c", "echo $BROKERWEB_DATA") == str(tmp_path / "data")

        os.kill(server.pid, signal.SIGTERM)
        assert server.exit_status(10) == 0
    assert image.ran(image.health).returncode == 1
    assert image.told("token", "create", "second", "--admin").startswith("bw_")
