"""The driver on machines that have another build of it: which is asked for where, and that a store is one file under both."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.server import ROOT, Server, python_path

MACHINES = {
    ("linux", "x86_64"): "pysqlite3",
    ("linux", "aarch64"): "sqlcipher3",
    ("darwin", "arm64"): "pysqlite3",
    ("darwin", "x86_64"): "sqlcipher3",
    ("win32", "AMD64"): "pysqlite3",
    ("win32", "ARM64"): "sqlcipher3",
    (
        "linux",
        "riscv64",
    ): "pysqlite3",  # pip builds it with the system's SQLite; the start says where that is not sound
}


@pytest.mark.parametrize(("machine", "driver"), MACHINES.items())
def test_a_machine_is_given_the_build_that_has_a_wheel_for_it(machine: tuple[str, str], driver: str):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    environment = dict(zip(("sys_platform", "platform_machine"), machine, strict=True))
    asked = [
        wanted.name
        for wanted in map(Requirement, project["dependencies"])
        if wanted.name in {"pysqlite3", "sqlcipher3"} and (wanted.marker is None or wanted.marker.evaluate(environment))
    ]
    assert asked == [driver]


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """The environment of a process that finds no pysqlite3."""
    missing = tmp_path / "missing"
    missing.mkdir()
    (missing / "pysqlite3.py").write_text("raise ModuleNotFoundError(name='pysqlite3')\n")
    return {"PYTHONPATH": python_path(missing)}


def test_a_store_is_the_same_file_under_both(tmp_path: Path, elsewhere: dict[str, str]):
    bodies = []  # and the first start is of a directory that pysqlite3 has made
    for environment, driver in ((elsewhere, "sqlcipher3"), ({}, "pysqlite3")):
        with Server(tmp_path / "data", environment=environment) as server, server.start().rest() as rest:
            assert f"/{driver}/" in Path(f"/proc/{server.pid}/maps").read_text()
            rest.declare("orders")
            rest.publish("orders", {"body": driver})
            bodies.append(driver)
            assert [message["body"] for message in rest.browse("orders")] == bodies
            server.kill()  # what is in the log is for the next one to read
