"""What is not typed by the tests of documents, and why; what goes on until it is stopped; what stands for what."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from typing import NamedTuple
from unittest import mock

import yaml

from benchmarks.__main__ import _options
from tests.documents.blocks import Command
from tests.documents.typist import Lasting
from tests.server import ROOT


def targets(typed: str) -> None:
    """What ``make`` is asked for is there."""
    there = re.findall(r"^([\w.-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    wanted = [word for word in typed.split()[1:] if "=" not in word]
    assert not set(wanted) - set(there), typed


def files(typed: str) -> None:
    """The files of the repository that are named are there."""
    named = re.findall(r"(?<![\w/.-])(?:deploy|examples|docs|tests)/[\w./-]+", typed)
    assert not [name for name in named if not (ROOT / name).exists()], typed


def unit(typed: str) -> None:
    """The service is one that ``deploy/systemd`` has."""
    files(typed)
    named = re.findall(r"(?:--now|-u|start|restart) ([\w-]+)", typed)
    assert all((ROOT / "deploy" / "systemd" / f"{name}.service").exists() for name in named), typed


def composed(typed: str) -> None:
    """The services that are named are in ``compose.yaml``."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    named = re.findall(r"--scale (\w+)=|--no-deps (\w+)", typed)
    assert {name for pair in named for name in pair if name} <= set(services), typed


def kubectl(typed: str) -> None:
    """It is made without a cluster, where there is ``kubectl``."""
    if shutil.which("kubectl") and typed.startswith("kubectl create"):
        dry = ["sh", "-c", f"{typed} --dry-run=client --output name"]
        done = subprocess.run(dry, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def benchmarks(typed: str) -> None:
    """Its options and workloads are there; another checkout that it names is the reader's."""
    argv = ["benchmarks", *typed.partition("-m benchmarks")[2].split()]
    with mock.patch("sys.argv", argv), mock.patch("pathlib.Path.exists", return_value=True):
        _options()


class Untyped(NamedTuple):
    """Commands that match the pattern are not typed; ``check`` says as much of them as can be said."""

    pattern: str
    why: str
    check: Callable[[str], None] = files


# What is typed in a container of the image is typed here without it.
IN_A_CONTAINER = r"docker (exec broker|run --rm --volume \S+) (?=brokerweb \w)"

UNTYPED = (
    Untyped(r"^make ", "makes an environment, goes on, or takes minutes: CI types the most of them", targets),
    Untyped(r"-m benchmarks\.browser\b", "measures a browser for minutes"),
    Untyped(r"-m benchmarks\.lighthouse\b", "needs a program that is not installed with the others"),
    Untyped(r"-m benchmarks\b", "takes minutes, or needs another checkout, disk or broker: tests/benchmarks", benchmarks),
    Untyped(r"^python3 -m venv \.venv$|^\. \.venv/bin/activate$", "has an environment: tests/test_wheel.py makes one"),
    Untyped(r"^pip install ", "builds a checkout, or asks a package index: tests/test_wheel.py installs the wheel"),
    Untyped(
        rf"^(?!{IN_A_CONTAINER})docker ",
        "needs Docker: tests/deploy reads compose.yaml, tests/test_dockerfile.py carries out the image",
        composed,
    ),
    Untyped(r"^kubectl ", "needs a cluster: tests/deploy renders the chart", kubectl),
    Untyped(r"^helm ", "needs Helm and a cluster: tests/deploy renders the chart"),
    Untyped(r"/opt/|/etc/|^sudo |systemctl |^journalctl ", "changes the machine: tests/deploy reads the unit", unit),
    Untyped(r"db\.example|broker\.example|PASSWORD@", "names a server of one's own: its neighbours in tests type it with one"),
    Untyped(r"^BROKERWEB_DATA=/srv", "writes where only root may; the same is typed everywhere with another folder"),
    Untyped(r"serve --workers", "needs PostgreSQL: tests/test_readme.py types it"),
)

# A broker runs already, begun by the first of these: the documents share it.
SHARED = (r"^brokerweb serve$", r"^(\.venv/bin/)?python manage\.py serve$")
OWN_SERVER = ("examples/in_your_project/README.md",)  # these do not share it

SQUARES = "http://127.0.0.1:8000/api/v1/queues/squares/messages"
LASTING = (
    Lasting(r"manage\.py serve$", "http://127.0.0.1:8000/readyz"),
    Lasting(r"^python worker\.py$", f"$ curl {SQUARES} -H 'Authorization: Bearer '$BROKERWEB_TOKEN | grep -q 49"),
)
STATUSES = {r"^brokerweb doctor$": (0, 1)}  # 1 where the machine is not as it should be


def untyped(command: Command) -> Untyped | None:
    """Why the command is not typed; None of one that is."""
    return next((each for each in UNTYPED if re.search(each.pattern, command.typed)), None)


def is_shared_server(command: Command) -> bool:
    """Whether it begins the broker that is there already."""
    return any(re.search(pattern, command.typed) for pattern in SHARED)


def statuses(command: Command) -> tuple[int, ...]:
    """How it may end."""
    return next((allowed for pattern, allowed in STATUSES.items() if re.search(pattern, command.typed)), (0,))
